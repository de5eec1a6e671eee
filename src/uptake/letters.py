"""What words are made of: letters, the marks that hang on them, and scripts that set no spaces between words."""

from __future__ import annotations

MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8"
    "\u0900-\u0963\u0971-\u0dff\u0f71-\u0f84\u200c\u200d"
)
"""Marks of Indic, Arabic, Hebrew and accented words, which Python's \\w leaves out; for a class of characters."""
HAN, KANA = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af", "\u3041-\u30ff\u31f0-\u31ff"
SOUTH = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecd\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u1780-\u17d3"
"""Letters and marks of Thai, Lao, Burmese and Khmer, without their digits and punctuation."""
UNSPACED = f"{HAN}{KANA}{SOUTH}"
LETTER = rf"(?:[^\W\d_{UNSPACED}]|[{MARKS}])"
IN_WORD = rf"(?:[^\W_{UNSPACED}]|[{MARKS}])"
"""A letter or digit of a word that spaces set apart."""
