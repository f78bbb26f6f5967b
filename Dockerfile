# The service of one administration: the API and its worker, as two containers of one image (see compose.yaml).
# Written for use and never run: no container engine was at hand. Its form is checked by scripts/check.
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /srv/cargo-ledger

# The locked versions, with their hashes; the project's own wheel holds `ledger`, the service runs from `api`.
COPY requirements-uv.lock requirements.lock pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY ledger ledger
RUN pip install --no-cache-dir --require-hashes -r requirements-uv.lock \
 && uv pip install --system --no-cache --constraint requirements.lock ".[service,traces]" \
 && rm -rf ledger
COPY api api

# Keys, profile and, with SQLite, the database: mounted, readable by this user alone.
RUN useradd --system --uid 10001 --home-dir /srv/cargo-ledger ledger
USER ledger

ENV LEDGER_HOST=0.0.0.0 LEDGER_PORT=8400
EXPOSE 8400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --retries=6 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8400/readyz', timeout=4)"]
ENTRYPOINT ["python", "-m", "api"]
CMD ["--role", "api"]
