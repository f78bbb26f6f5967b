"""How far every text of a page stands out from what is behind it, as WCAG 2.1 measures contrast."""

_SCRIPT = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const bar = element instanceof SVGElement && element.parentElement.querySelector(":scope > rect.bar");
      if (bar) return channels(getComputedStyle(bar).fill);
      const color = channels(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(title, desc)")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || !element.checkVisibility() || element.closest(".unseen, noscript, svg.map")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(channels(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.tagName, element.textContent.slice(0, 40)]);
  }
  return found;
}"""
LEAST = 4.5


def require(page, texts):
    """Every text that is seen has a contrast of `LEAST` at least, and more than so many are seen."""
    found = page.evaluate(_SCRIPT)
    assert len(found) > texts
    assert [each for each in found if each[0] < LEAST] == []
