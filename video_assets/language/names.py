"""Names and codes of languages, converted to ISO 639-1 codes and back to English names."""

from __future__ import annotations

import re

_KNOWN = """
af afr afrikaans|am amh amharic|ar ara arabic|as asm assamese|az aze azerbaijani|ba bak bashkir|be bel belarusian
bg bul bulgarian|bn ben bengali|bo tib,bod tibetan|br bre breton|bs bos bosnian|ca cat catalan,valencian
cs cze,ces czech|cy wel,cym welsh|da dan danish|de ger,deu german|el gre,ell greek|en eng english
es spa spanish,castilian|et est estonian|eu baq,eus basque|fa per,fas persian|fi fin finnish|fo fao faroese
fr fre,fra french|gl glg galician|gu guj gujarati|ha hau hausa|haw haw hawaiian|he heb hebrew|hi hin hindi
hr hrv croatian|ht hat haitian,haitian creole|hu hun hungarian|hy arm,hye armenian|id ind indonesian
is ice,isl icelandic|it ita italian|ja jpn japanese|jw jav javanese|ka geo,kat georgian|kk kaz kazakh|km khm khmer
kn kan kannada|ko kor korean|la lat latin|lb ltz luxembourgish,letzeburgesch|ln lin lingala|lo lao lao
lt lit lithuanian|lv lav latvian|mg mlg malagasy|mi mao,mri maori|mk mac,mkd macedonian|ml mal malayalam
mn mon mongolian|mr mar marathi|ms may,msa malay|mt mlt maltese|my bur,mya myanmar,burmese|ne nep nepali
nl dut,nld dutch,flemish|nn nno nynorsk|no nor,nob norwegian|oc oci occitan|pa pan punjabi,panjabi|pl pol polish
ps pus pashto,pushto|pt por portuguese|ro rum,ron romanian,moldavian,moldovan|ru rus russian|sa san sanskrit
sd snd sindhi|si sin sinhala,sinhalese|sk slo,slk slovak|sl slv slovenian|sn sna shona|so som somali
sq alb,sqi albanian|sr srp serbian|su sun sundanese|sv swe swedish|sw swa swahili|ta tam tamil|te tel telugu
tg tgk tajik|th tha thai|tk tuk turkmen|tl tgl tagalog|tr tur turkish|tt tat tatar|uk ukr ukrainian|ur urd urdu
uz uzb uzbek|vi vie vietnamese|yi yid yiddish|yo yor yoruba|yue yue cantonese|zh chi,zho chinese,mandarin
"""
_ENTRIES = [entry.split(" ", 2) for entry in re.split(r"[|\n]", _KNOWN.strip())]
_CODES = {name.strip(): entry[0] for entry in _ENTRIES for group in entry for name in group.split(",")}
_NAMES = {code: names.split(",")[0].title() for code, _, names in _ENTRIES}


def code_of(name: object) -> str | None:
    """`en` for `en`, `eng`, `en-GB` or `English`; None if it is not in the table."""
    if not isinstance(name, str):
        return None
    plain = name.strip().lower()[:40]
    return _CODES.get(plain) or _CODES.get(re.split(r"[-_]", plain)[0])


def name_of(code: str) -> str | None:
    """The English name of a language, `German` for `de`; None if the code is not in the table."""
    return _NAMES.get(code)


def primary(tag: str | None) -> str:
    """The language of a tag without region or script: `de` for `de-AT`. Empty for None."""
    return (tag or "").lower().replace("_", "-").partition("-")[0]
