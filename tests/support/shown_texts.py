"""Texts of others, each with how people are shown it: for Python and for the second verifier alike."""

NOTE = " [has letters that are not Latin]"

SHOWN = {
    "Singapore\nNL": "Singapore\nNL",
    "a\u202eb": "a\\u202eb",
    "a\x1b[2Jb\x00": "a\\u001b[2Jb\\u0000",
    "CSQU\u200b3054383": "CSQU\\u200b3054383",
    "CSQU\u200d3054383": "CSQU\\u200d3054383",
    "\u200cA1": "\\u200cA1",
    "سلام\u200cعلیکم": "سلام\u200cعلیکم",  # Persian needs it
    "A\u3164B\u034fC\ufeff\xad": "A\\u3164B\\u034fC\\ufeff\\u00ad",
    "<b>": "<b>",
    "CSQU3054383": "CSQU3054383",
    "\u0421SQU3054383": f"\u0421SQU3054383{NOTE}",  # the first letter is Cyrillic
    "\u0421\u041c\u0410\u04231234567, sealed": f"\u0421\u041c\u0410\u04231234567{NOTE}, sealed",  # all four are
    "in CSQU305438\u0417.": f"in CSQU305438\u0417{NOTE}.",  # no 3 at the end
    "\uff23SQU3054383": f"\uff23SQU3054383{NOTE}",  # a wide C
    "\u216dSQU3054383": f"\u216dSQU3054383{NOTE}",  # a Roman hundred
    f"\u0421SQU3054383{NOTE}": f"\u0421SQU3054383{NOTE}",
    f"\u0421SQU3054383 \u0421SQU3054383{NOTE}": f"\u0421SQU3054383{NOTE} \u0421SQU3054383{NOTE}",
    "Москва 125009, ул. Мира 12": "Москва 125009, ул. Мира 12",
    "上海A仓12345 Müller1234 1000M² 100μm SEALÜ123": "上海A仓12345 Müller1234 1000M² 100μm SEALÜ123",
    "\u0421Q12": "\u0421Q12",  # too short to be told from a word
}
