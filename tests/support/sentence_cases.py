"""Texts that reached their length and what is shown of them: the rule in Python and in the exported page."""

SENTENCE_CASES = [
    ("I come. I go, and", "I come."),
    ("What! said he? “No.” And then", "What! said he? “No.”"),
    ("Pi is 3.14 and", "Pi is 3.14 and"),
    ("I come.", "I come."),
    ("(I come!) ['Yes...'] and", "(I come!) ['Yes...']"),
    ("One.\nTwo.\x85three", "One.\nTwo."),
    ("One. two.\ufeffthree", "One."),
    ("One.\x1ctwo, three", "One."),
    ("Smile. \U0001f600. \U0001f600 and", "Smile. \U0001f600."),
    ("来た。そして", "来た。"),
    ("「来た。」そして", "「来た。」"),
    ("هل أتى؟ ثم", "هل أتى؟"),
    ("राम आया। फिर", "राम आया।"),
    ("no end", "no end"),
    ("", ""),
]
