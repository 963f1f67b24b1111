"""The encoding of a caption file: few say which, and many are older than UTF-8."""

from __future__ import annotations

import codecs
import unicodedata

_LOOKED_AT = 256 * 1024
"""Bytes at the file's start by which its encoding is told."""
_KANA_SHARE = 0.2
_FOREIGN_SHARE = 0.25
_LEGACY = [
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "iso8859_2",
    "koi8_r",
    "tis_620",
    "shift_jis",
    "gb18030",
    "big5",
    "cp949",
]

_LATIN: dict[str, tuple[str, ...]] = {
    # French, German, Spanish, Portuguese, Italian, Nordic; Czech and Slovak, Polish, Hungarian, Romanian, South Slavic
    "cp1252": ("àâæçéèêëîïôœùûüÿ", "äöüß", "áéíñóúü¿¡", "ãõáéíóúâêôàç", "àèéìíòóù", "åäöæøéü", "áðéíóúýþæö"),
    "cp1250": ("áäčďéěíľĺňóôřŕšťúůýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž"),
    "cp1254": ("âçğ\u0131iîöşü\u0307",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
    "iso8859_2": ("áäčďéěíľĺňóôřŕšťúůýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž"),
}
"""Encodings of Latin letters, and the accented ones of their languages. Of those that fit alike, the first is taken."""


def decode(data: bytes) -> str:
    """The file's text: by byte order mark, else UTF-8, else UTF-16 where its NULs say so, else the encoding in which
    its words look most like a language."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    head = data[:4096]
    if head[1::2].count(0) > len(head) // 4:
        return data.decode("utf-16-le", "replace")
    if head[::2].count(0) > len(head) // 4:
        return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode(_likely_encoding(data), "replace")


def _likely_encoding(data: bytes) -> str:
    """Of the encodings caption files still come in, the one to read this file in. Looks at its words alone: clocks and
    numbers are the same in all."""
    lines = (line for line in data[:_LOOKED_AT].splitlines() if any(byte > 127 for byte in line))
    words = b"\n".join(lines)[: _LOOKED_AT // 4]
    if _foreign_share(words) < _FOREIGN_SHARE:
        return _likely_latin(words)
    if _kana_share(words) > _KANA_SHARE:
        return "euc_jp"
    # Imported here: few files need it.
    from charset_normalizer import from_bytes

    best = from_bytes(words, cp_isolation=_LEGACY, threshold=0.5, enable_fallback=False).best()
    if best is None or best.encoding in _LATIN:
        return _likely_latin(words)
    return str(best.encoding)


def _likely_latin(words: bytes) -> str:
    return max(_LATIN, key=lambda encoding: _fit(words, encoding))


def _foreign_share(words: bytes) -> float:
    """How many of the letters, in bytes, are none of ASCII's: few in Latin script, nearly all in any other."""
    foreign = sum(byte > 127 for byte in words)
    return foreign / max(foreign + sum(bytes((byte,)).isalpha() for byte in words), 1)


def _fit(words: bytes, encoding: str) -> float:
    """How well the accented letters, read in this encoding, are those of one of its languages: 0 to 1. A detector of
    encodings sees no difference between a grave accent and a ring."""
    text = words.decode(encoding, "replace").casefold()
    special = [character for character in text if ord(character) > 127 and not _is_punctuation(character)]
    if not special:
        return 0.0
    return max(sum(map(letters.__contains__, special)) for letters in _LATIN[encoding]) / len(special)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character) in ("Pi", "Pf", "Pd", "Zs")


def _kana_share(words: bytes) -> float:
    """How much of it is kana when read as EUC-JP, which as Chinese or Korean reads no worse to a detector."""
    text = words.decode("euc_jp", "ignore")
    if len(text.encode("euc_jp", "ignore")) < 0.98 * len(words):
        return 0.0
    return sum("\u3040" <= character <= "\u30ff" for character in text) / max(len(text), 1)
