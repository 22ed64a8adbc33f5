"""Whether a text may be written in a language: a light test by script and frequent words.

It needs no model and no word list of size, and is no identification of languages:

- At least half of the letters are of the language's script. Languages that share a script other
  than Latin are not told apart (Russian and Ukrainian, Arabic and Persian), but Japanese needs a
  kana letter and Chinese has none.
- For a language in Latin script, none of the other Latin languages here has more of its frequent
  words in the text, and a text of 12 or more words has at least one of its own. A short text
  without any frequent word passes.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

LANGUAGES: dict[str, str] = {
    "ar": "Arabic",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fr": "French",
    "he": "Hebrew",
    "hi": "Hindi",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ru": "Russian",
    "th": "Thai",
    "uk": "Ukrainian",
    "zh": "Chinese",
}
"""The languages that can be asked for, by their ISO 639-1 code."""

_KANA = ("HIRAGANA", "KATAKANA")
_SCRIPTS: dict[str, tuple[str, ...]] = {
    "ar": ("ARABIC",),
    "el": ("GREEK",),
    "fa": ("ARABIC",),
    "he": ("HEBREW",),
    "hi": ("DEVANAGARI",),
    "ja": (*_KANA, "CJK"),
    "ko": ("HANGUL",),
    "ru": ("CYRILLIC",),
    "th": ("THAI",),
    "uk": ("CYRILLIC",),
    "zh": ("CJK",),
}
_FREQUENT: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": "aber als am an auf aus bei bitte das dass dem den der des die du ein eine einen "
        "einer es für ich im in ist mit nach nicht nur oder sein sie sind so über und von wenn "
        "werden wie wird zu zum zur",
        "en": "a all an and any are as at be before by can do each every for from give how if in "
        "is it its not of on only or so that the their then there these this to what when which "
        "who will with you your",
        "es": "a al como con de del el en entre es está esta este la las lo los más no o para pero "
        "por que qué responde se si sin son su sus texto un una y",
        "fr": "au aux avec ce ces cette dans de des donc du elle en est et il la le les leur mais "
        "ne ou où par pas plus pour que qui répondez sa se ses si son sont sur un une vous votre",
        "it": "a al alla anche che chi come con da dal del della delle di e è ed gli i il in la le "
        "lo ma nel nella non o per più quale questo se si sono su testo tra un una uno",
        "nl": "aan als bij dat de deze die dit door een en er geef het hoe ik in is je maar met "
        "naar niet of om onder ook op over te tot uit van voor wat wordt ze zijn zo",
        "pt": "a ao aos as com como da das de do dos e é ele em entre essa este isso mais mas na "
        "não no nos o os ou para pela pelo por que responda se sem seu são sua texto um uma você",
    }.items()
}
_LONG = 12  # words from which a text has some frequent word of its language


def is_written_in(language: str, text: str) -> bool:
    """Return whether a text passes the test of this module for a language of `LANGUAGES`."""
    scripts = [_script(letter) for letter in unicodedata.normalize("NFKC", text)]
    letters = [script for script in scripts if script]
    if not letters:
        return True
    own = _SCRIPTS.get(language, ("LATIN",))
    if 2 * sum(script in own for script in letters) < len(letters):
        return False
    kana = any(script in _KANA for script in letters)
    if language in ("ja", "zh"):
        return kana is (language == "ja")
    if language not in _FREQUENT:
        return True
    words = re.findall(r"[^\W\d_]+", text.casefold())
    counts = {code: sum(word in known for word in words) for code, known in _FREQUENT.items()}
    if len(words) >= _LONG and not counts[language]:
        return False
    return counts[language] == max(counts.values())


@cache
def _script(letter: str) -> str:
    """Return the first word of a letter's Unicode name, or nothing for other characters."""
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""
