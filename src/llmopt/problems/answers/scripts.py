"""Labels in scripts that write words without blanks, or with endings: where one begins and ends.

In Chinese, Japanese, Thai and their neighbours a label stands inside a sentence with letters on
both sides; in Korean a word begins behind a blank and ends in a particle. What negates a label
stands right before it or right behind it.
"""

from __future__ import annotations

import re

_HAN = "\u3400-\u4dbf\u4e00-\u9fff々"
_HIRAGANA = "\u3041-\u309f"
_KATAKANA = "\u30a0-\u30ff"
_HANGUL = "\uac00-\ud7af"
_THAI = "\u0e00-\u0e7f\u0e80-\u0eff"  # and Lao
_OTHERS = "\u1000-\u109f\u1780-\u17ff"  # Burmese and Khmer
_DENSE = f"{_HAN}{_HIRAGANA}{_KATAKANA}{_HANGUL}{_THAI}{_OTHERS}"
_ANY = re.compile(f"[{_DENSE}]")
_LEADING_VOWELS = "เแโใไເແໂໃໄ"
_JOINED_SIGNS = "\u0e30-\u0e3a\u0e45\u0e47-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ecd"
_SCRIPTS = (
    # Script of the label's edge, what may not stand before it, and what may not stand behind it.
    (re.compile(f"[{_HAN}]"), f"(?<![^\\W{_DENSE}])", f"(?![^\\W{_DENSE}])"),
    (
        re.compile(f"[{_HIRAGANA}]"),
        f"(?<![^\\W{_DENSE}])(?:(?<![{_HIRAGANA}])|(?<=[はが]))",
        f"(?![^\\W{_DENSE}])",
    ),
    (
        re.compile(f"[{_KATAKANA}]"),
        f"(?<![^\\W{_DENSE}])(?<![{_KATAKANA}])",
        f"(?![^\\W{_DENSE}])(?![{_KATAKANA}])",
    ),
    (
        re.compile(f"[{_HANGUL}]"),
        f"(?<![^\\W{_DENSE}])(?<![{_HANGUL}])",
        f"(?![^\\W{_DENSE}])(?!확)",
    ),
    (
        re.compile(f"[{_THAI}{_OTHERS}]"),
        f"(?<![^\\W{_DENSE}])(?<![{_LEADING_VOWELS}])",
        f"(?![^\\W{_DENSE}])(?![{_JOINED_SIGNS}])",
    ),
)
_ALONE = (r"(?<!\w)", r"(?!\w)")

_BEFORE = re.compile(
    r"(?:(?:[不非未没沒無无毫莫]|并非|並非|绝非|缺乏|难以|難以)(?:是|能|会|會|够|夠|太|很|怎么|那么|算|说|說|属于"
    r"|屬於|为|為|被|完全|一定|必|再|视为|一个|一条|個|个|条|有|任何|的)*"
    r"|ไม่(?:ใช่|ได้|เป็น|ค่อย|มี)*(?:เชิง|ความ|ด้าน)*|ผิด|(?:^|(?<=\s))(?:비|안|못)\s?)$"
)
_BEHIND = re.compile(
    r"(?:的|性|なもの|な意見|なレビュー|な評価|な内容|だ)?(?:では|じゃ|とは|でも|で)(?:は)?"
    r"(?:な[いくか]|ありません|ございません|[い言]え)"
    r"|(?:적)?(?:인\s?(?:것|리뷰|의견|감정|내용|평가))?(?:이|가|은|는|으로|로|이라고|라고|하지|이지|지)?\s*"
    r"(?:는|은)?\s?(?:아니|아닌|아닙|않|볼\s?수\s?없|보기\s?어렵)"
    r"|(?:的)?(?:说法|選項|选项|答案)?(?:是|都|也|显然|显然是)?"
    r"(?:错误|错的|錯誤|錯的|不正确|不正確|不对(?!称)|不對|不成立|被排除|不符合)"
)
_NEARBY = 12  # characters in which a negation is looked for


def is_dense(text: str) -> bool:
    """Say whether a text has letters of such a script."""
    return not text.isascii() and _ANY.search(text) is not None


def edges(phrase: str) -> tuple[str, str]:
    """Return patterns of what may stand before and behind a label that ends in such a script.

    Either is empty where that edge is of another script. A label of one letter, such as 是, is
    inside of too many words: it stands alone.
    """
    if len(phrase) == 1 and is_dense(phrase):
        return _ALONE
    before = next((before for script, before, _ in _SCRIPTS if script.match(phrase[0])), "")
    behind = next((behind for script, _, behind in _SCRIPTS if script.match(phrase[-1])), "")
    return before, behind


def denied(text: str, start: int, end: int) -> bool:
    """Say whether what stands between two places is negated in such a script."""
    around = text[max(0, start - 1) : start].strip() + text[end : end + 1].strip()
    nearby = text[max(0, start - _NEARBY) : start]
    if not is_dense(around or nearby + text[end : end + _NEARBY]):
        return False
    return bool(
        _BEFORE.search(nearby.rstrip(" \"'「『“”《【")) or _BEHIND.match(text, _skipped(text, end))
    )


def _skipped(text: str, end: int) -> int:
    """Return where the text goes on behind a label's closing quotes and blanks."""
    while end < len(text) and text[end] in " \"'」』》】":
        end += 1
    return end
