"""Names of languages as OpenAI writes them, by ISO 639-1 and 639-3 code."""

_CODES = """
af afr afrikaans|am amh amharic|ar ara arabic|as asm assamese|az aze azerbaijani|be bel belarusian
bg bul bulgarian|bn ben bengali|bs bos bosnian|ca cat catalan|cs ces czech|cy cym welsh|da dan danish
de deu german|el ell greek|en eng english|es spa spanish|et est estonian|eu eus basque|fa fas persian
fi fin finnish|fil fil filipino|fr fra french|ga gle irish|gl glg galician|gu guj gujarati|ha hau hausa
he heb hebrew|hi hin hindi|hr hrv croatian|hu hun hungarian|hy hye armenian|id ind indonesian
is isl icelandic|it ita italian|ja jpn japanese|jv jav javanese|ka kat georgian|kk kaz kazakh|km khm khmer
kn kan kannada|ko kor korean|lb ltz luxembourgish|ln lin lingala|lo lao lao|lt lit lithuanian|lv lav latvian
mi mri maori|mk mkd macedonian|ml mal malayalam|mn mon mongolian|mr mar marathi|ms msa malay|mt mlt maltese
my mya myanmar|ne nep nepali|nl nld dutch|no nor norwegian|oc oci occitan|pa pan punjabi|pl pol polish
ps pus pashto|pt por portuguese|ro ron romanian|ru rus russian|sd snd sindhi|sk slk slovak|sl slv slovenian
sn sna shona|so som somali|sr srp serbian|sv swe swedish|sw swa swahili|ta tam tamil|te tel telugu
tg tgk tajik|th tha thai|tl tgl tagalog|tr tur turkish|uk ukr ukrainian|ur urd urdu|uz uzb uzbek
vi vie vietnamese|yo yor yoruba|yue yue cantonese|zh zho chinese
"""
_NAMES = {
    code: name
    for two, three, name in (entry.split() for entry in _CODES.strip().replace("\n", "|").split("|"))
    for code in (two, three)
}


def language_name(code: str) -> str:
    """Return the English name, lower-cased; the code itself where it isn't known."""
    return _NAMES.get(code.lower(), code)
