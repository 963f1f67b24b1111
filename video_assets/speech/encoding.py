"""Decodes caption files. Few declare their encoding, and many are older than UTF-8."""

from __future__ import annotations

import codecs
import unicodedata

_LOOKED_AT = 256 * 1024
"""Bytes at the file's start from which its encoding is guessed."""
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
"""Encodings for Latin scripts, and the accented letters of each of their languages. If several encodings fit equally
well, the first is taken."""


def decode(data: bytes) -> str:
    """The file's text. Its encoding is that of the byte order mark; else UTF-16 if every other byte is often NUL; else
    UTF-8 if it is valid; else the one in which the words look most like a language."""
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
    """The legacy encoding that fits this file best. Only lines with bytes outside ASCII are compared: times and numbers
    are the same in every encoding."""
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
    """The share of the letters' bytes that is not ASCII: small in Latin script, nearly 1 in every other."""
    foreign = sum(byte > 127 for byte in words)
    return foreign / max(foreign + sum(bytes((byte,)).isalpha() for byte in words), 1)


def _fit(words: bytes, encoding: str) -> float:
    """The share (0 to 1) of the accented letters, decoded in this encoding, that belong to one of its languages. The
    encoding detector cannot do this: to it, a grave accent is as good as a ring."""
    text = words.decode(encoding, "replace").casefold()
    special = [character for character in text if ord(character) > 127 and not _is_punctuation(character)]
    if not special:
        return 0.0
    return max(sum(map(letters.__contains__, special)) for letters in _LATIN[encoding]) / len(special)


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character) in ("Pi", "Pf", "Pd", "Zs")


def _kana_share(words: bytes) -> float:
    """The share of kana if the text is decoded as EUC-JP. The encoding detector takes EUC-JP for Chinese or Korean."""
    text = words.decode("euc_jp", "ignore")
    if len(text.encode("euc_jp", "ignore")) < 0.98 * len(words):
        return 0.0
    return sum("\u3040" <= character <= "\u30ff" for character in text) / max(len(text), 1)
