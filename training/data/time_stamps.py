"""Patterns of the dates and times of chat exports, in the forms of many locales, for the module `regex`."""

from __future__ import annotations

SPACE = r"[ \u00a0\u202f]"
COMMA = r"[,،、]"
WORD = r"\p{L}[\p{L}\p{M}.’']"
"""The start of a word; a quantifier follows."""

HALF = (  # of a day, beside a time that no delimiter ends
    rf"(?:[AaPp]\.?{SPACE}?[Mm]\.?|上午|下午|午前|午後|凌晨|清晨|早上|中午|晚上|오전|오후|vorm\.|nachm\.|[πμ]\.?μ\.?|[صم]"
    r"|[ef]\.?m\.?|PT?G|SA|CH|Ö[ÖS])(?!\w)"
)
HALF_BEFORE = r"(?:[AaPp]\.?[Mm]\.?|上午|下午|午前|午後|凌晨|清晨|早上|中午|晚上|오전|오후)"
CLOCK = r"\d{1,2}(?:h\d{2}|:\d{2}(?::\d{2})?|\.\d{2}(?:\.\d{2})?)(?:,\d{1,6}|(?<=:..:..)\.\d{1,6})?"
"""Not `00:12.50`, the minutes and hundredths of a second in the text of a song."""
ZONE = rf"(?:Z|[+-]\d{{2}}:?\d{{2}}|{SPACE}UTC)"
TIME = rf"(?:{HALF_BEFORE}{SPACE}?)?{CLOCK}(?:{SPACE}?{HALF}|{SPACE}?Uhr|{ZONE})?+(?!\w)"

MONTH = rf"{WORD}{{2,12}}"
DAY_OF_MONTH = r"\d{1,2}(?:st|nd|rd|th|er|\.)?"
NUMERIC = (
    rf"\d{{1,4}}(?:[./-]|[./]{SPACE})\d{{1,2}}(?:[./-]|[./]{SPACE})\d{{1,4}}\.?(?:{SPACE}?г\.)?(?:\(\w{{1,3}}\))?"
    rf"|\d{{1,4}}[年년]{SPACE}?\d{{1,2}}[月월]{SPACE}?\d{{1,2}}[日일]"
)
WORDED = (
    rf"(?:{MONTH},{SPACE}|^{MONTH}{SPACE})?"  # day of the week
    rf"(?:{MONTH}{SPACE}{{1,2}}{DAY_OF_MONTH}(?:,?{SPACE}\d{{4}})?"
    rf"|{DAY_OF_MONTH}(?:{SPACE}|-)(?:de{SPACE})?{MONTH}(?:(?:{SPACE}|-)(?:de{SPACE})?(?:\d{{4}}|\d{{2}}(?![:.h])))?)"
)
DATE = rf"(?:{NUMERIC}|{WORDED})"
AT = rf"(?:{COMMA}?{SPACE}+|T|{SPACE}[-–]{SPACE}|{COMMA}?(?:{SPACE}{WORD}{{0,5}}){{1,2}}{SPACE})"
"""Between a date and a time."""
DAY = rf"{WORD}{{2,13}}{SPACE}(?:at|um|om|à|às|a las|a les|alle|kl\.?|klo|o|la|ore|в|у|v|på|pukul|lúc|στις|saat){SPACE}"
"""`Today at `."""
STAMP = rf"(?:(?:{DATE}{AT}|{DAY})?{TIME}(?:{SPACE}\d{{4}}(?=\s))?|{TIME}{COMMA}?{SPACE}{DATE})"
"""A time, with a date before or after it."""
ENDED = rf"{STAMP}(?:{SPACE}?{WORD}{{0,6}}){{0,2}}"
"""A stamp that a delimiter ends, so that any words for the half of the day may stand in it."""
BRACKETED = rf"(?:\[{SPACE}?(?:{DATE}\]{SPACE}?\[)?{ENDED}(?:{SPACE}\|[^\]\n]{{1,20}})?{SPACE}?\]|\({ENDED}\))"
ANY_STAMP = rf"(?:{BRACKETED}|{STAMP})"
FULL_STAMP = rf"(?!\d{{1,2}}[:.h]\d{{2}}(?![:.\d]|{SPACE}?{HALF})){STAMP}"
"""A stamp that is more than hours and minutes, which may be a chapter and a verse, or a price."""
