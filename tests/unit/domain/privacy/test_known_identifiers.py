"""Names that a file states are found in texts in any writing; words that are none stay."""

import re
import unicodedata

import pytest
from faker import Faker
from hypothesis import given, settings
from hypothesis import strategies as st

from transferlab.domain.privacy.common_words import (
    COMMON_WORDS,
    HONORIFICS,
    PARTICLES,
    SHORT_FORMS,
)
from transferlab.domain.privacy.folding import fold, folded
from transferlab.domain.privacy.known_identifiers import Identifiers, find_known

CULTURES = [
    "ar_EG", "cs_CZ", "da_DK", "de_DE", "el_GR", "en_GB", "es_MX", "fa_IR", "fi_FI", "fr_FR",
    "he_IL", "hi_IN", "hu_HU", "it_IT", "ja_JP", "ko_KR", "nl_NL", "pl_PL", "pt_BR", "ro_RO",
    "ru_RU", "sv_SE", "ta_IN", "th_TH", "tr_TR", "uk_UA", "vi_VN", "zh_CN", "zh_TW",
]  # fmt: skip
FORMS = {
    "as the file": lambda first, last: f"{last}^{first}",
    "last, first": lambda first, last: f"{last}, {first}",
    "first last": lambda first, last: f"{first} {last}",
    "capitals": lambda first, last: f"{last.upper()}, {first.upper()}",
    "small letters": lambda first, last: f"{first.lower()} {last.lower()}",
    "underscore": lambda first, last: f"{last}_{first}",
    "together": lambda first, last: f"{first}{last}",
    "decomposed": lambda first, last: unicodedata.normalize("NFD", f"{first} {last}"),
    "curly": lambda first, last: f"{first} {last}".replace("'", "’"),
    "no-break": lambda first, last: f"{first}\u00a0{last}",
}


def cleaned(text, *names, values=()):
    for start, end in reversed(find_known(text, Identifiers(names=names, values=tuple(values)))):
        text = f"{text[:start]}[known]{text[end:]}"
    return text


@pytest.mark.parametrize(
    ("name", "text", "clean"),
    [
        ("Ng^Xu", "Ng was seen. Dr. Ho saw NG and xu.", "[known] was seen. Dr. Ho saw [known] and"),
        ("Ho^An", "Mrs Ho, 4 ng/ml. An effusion.", "Mrs [known], 4 ng/ml. An effusion."),
        ("Ng^Ida", "Patient NG, 12 ng/mL; IDA NG.", "Patient [known], 12 ng/mL; [known] [known]."),
        ("Ng^Ida", "seen by ng, 12 ng in serum", "seen by [known], 12 ng in serum"),
        ("Weiß^Jürgen", "WEISS, JUERGEN and Weiss", "[known], [known] and [known]"),
        ("MUELLER^JOERG", "Müller, Jörg", "[known], [known]"),
        ("Müller^Jo\u0308rg", "Mu\u0308ller and Jorg", "[known] and [known]"),
        ("O'Brien^Siobhán", "O’Brien, OBRIEN, Siobhan", "[known], [known], [known]"),
        ("OBRIEN^M", "O'Brien, M. is well; M stage", "[known] is well; M stage"),
        ("Smith-Jones^Ann", "Jones is well; ANN SMITH", "[known] is well; [known]"),
        ("Smith^John", "Smith_John.dcm, SmithJohn, j. smith",
         "[known]_[known].dcm, [known], j. [known]"),
        ("Public^John^Q", "J. Q. Public has Q fever", "[known] has Q fever"),
        ("Long^Rose", "Long history. A rose. Mr. long; Long, Rose", "Long history. A rose. Mr."),
        ("Long^Rose", "saw Long today", "saw [known] today"),
        ("Wang^XiaoMing=王^小明", "王小明, 小明, Xiao Ming Wang",
          "[known], [known], [known]"),
        ("王^小明", "王先生的肺, 国王", "[known]先生的肺, 国王"),
        ("李^明", "患者李今日入院, 病人:李, 行李", "患者[known]今日入院, 病人:[known], 行李"),
        ("Yamada^Tarou=山田^太郎=ヤマダ^タロウ", "山田太郎さん, やまだ, ﾀﾛｳ",
          "[known]さん, [known], [known]"),
        ("Hong^Gildong=洪^吉洞=홍^길동", "홍길동은, 洪吉洞, 길동", "[known]은, [known], [known]"),
        ("김^민수", unicodedata.normalize("NFD", "김민수 씨, 김치"), "[known] 씨, 김치"),
        ("Nguyễn^Đức", "NGUYEN, Duc", "[known], [known]"),
        ("İnan^Işık", "inan ISIK", "[known]"),
        ("van der Berg^Piet", "van der Berg and a van", "[known] [known] [known] and a van"),
        ("Иванов^Пётр", "ИВАНОВ, петр", "[known], [known]"),
        ("García Márquez^José", "Marquez, GARCIA", "[known], [known]"),
        ("Dr.^^^^MD", "Dr. Lee, MD", "Dr. Lee, MD"),
    ],
)  # fmt: skip
def test_names_go_in_any_writing_and_words_stay(name, text, clean):
    done = unicodedata.normalize("NFC", cleaned(text, name))
    assert done.startswith(clean), done


def test_a_sentence_about_the_chest_stays_as_it_is():
    names = ["Long^May^An", "White^Will", "Ma^Li Na", "Low^Rich", "Lee^B C"]
    text = "The long white line in the right lung may be a low mass. No air. 120 kV, 4 ma. A lee."
    assert cleaned(text, *names) == text.replace("lee", "[known]")


def test_values_go_as_a_whole_and_over_underscores():
    text = "MRN_H77, saint  hildegard infirmary, Saint, H771, 12"
    values = ["H77", "Saint Hildegard Infirmary", "12"]
    assert cleaned(text, values=values) == "MRN_[known], [known], Saint, H771, 12"


def left_over(clean, name):
    """Words of a name that a cleaned text still has, common ones and titles left out."""
    words = re.split(r"[\W_]+", fold(name))
    plain = COMMON_WORDS | HONORIFICS | PARTICLES | SHORT_FORMS
    there = set(re.split(r"[\W_]+", fold(clean)))
    return [one for one in words if len(one) > 1 and one not in plain and one in there]


@pytest.mark.parametrize("culture", CULTURES)
def test_no_word_of_a_name_is_left_in_any_form(culture):
    faker = Faker(culture)
    faker.seed_instance(7)
    left = []
    for _ in range(25):
        first, last = faker.first_name(), faker.last_name()
        for form, written in FORMS.items():
            text = f"Patient {written(first, last)} has a small effusion."
            clean = cleaned(text, f"{last}^{first}")
            left += [(form, text, clean)] if left_over(clean, f"{first} {last}") else []
            assert "has a small effusion." in clean
    assert left == []


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.lists(st.text(max_size=12), max_size=3))
def test_any_text_and_any_name_give_spans_of_the_text(text, names):
    ends = 0
    for start, end in find_known(text, Identifiers(names=tuple(names), values=tuple(names))):
        assert ends <= start < end <= len(text)
        ends = end


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_every_folded_character_has_its_place(text):
    one = folded(text)
    assert len(one.starts) == len(one.text)
    assert list(one.starts) == sorted(one.starts)
    assert one.text == fold(text)
    if one.text:
        start, end = one.span(0, len(one.text))
        assert fold(text[start:end]) == one.text
