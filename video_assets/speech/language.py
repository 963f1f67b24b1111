"""Which language is spoken: names and codes of any kind to ISO 639-1, and the vote of several excerpts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

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
_CODES = {
    name.strip(): entry.split(" ", 1)[0]
    for entry in re.split(r"[|\n]", _KNOWN.strip())
    for group in entry.split(" ", 2)
    for name in group.split(",")
}


def code_of(name: object) -> str | None:
    """`en` for `en`, `eng`, `en-GB` or `English`; None for what is no language that is known here."""
    if not isinstance(name, str):
        return None
    plain = name.strip().lower()[:40]
    return _CODES.get(plain) or _CODES.get(re.split(r"[-_]", plain)[0])


def agreed(votes: Iterable[tuple[float, Mapping[str, float]]]) -> tuple[str, float] | None:
    """The language that excerpts agree on, and its probability; None without a single one.

    `votes`: seconds of speech in an excerpt, and the probability of each language there. An excerpt counts by how
    much is said in it, so that a jingle or a word of greeting does not decide for an hour.
    """
    total, sums = 0.0, defaultdict[str, float](float)
    for seconds, probabilities in votes:
        total += seconds
        for language, probability in probabilities.items():
            sums[language] += seconds * probability
    if total <= 0 or not sums:
        return None
    best = max(sorted(sums), key=lambda language: sums[language])
    return best, min(1.0, sums[best] / total)
