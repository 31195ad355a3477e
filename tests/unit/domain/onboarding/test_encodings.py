"""The encoding of a table that nobody has described."""

import pytest

from transferlab.domain.onboarding.survey import guess_encoding, read_as_found

TEXTS = {
    "cp1252": "Müller und Söhne, Straße 5, café déjà vu, naïve façade",
    "cp1251": "Описание снимка: затемнение справа, сердце не увеличено",
    "shift_jis": "胸部エックス線写真に異常は認められません。心臓の大きさは正常です。",
    "gb18030": "胸部X光片未见异常,心影大小正常,双肺纹理清晰,肋膈角锐利。",
}


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_text_is_read_as_it_was_written(tmp_path, encoding):
    table = tmp_path / "t.csv"
    lines = [f"{number}.png;{TEXTS[encoding]}" for number in range(8)]
    table.write_bytes("\n".join(["file;text", *lines]).encode(encoding))
    rows, found = read_as_found(table)
    assert rows[0]["text"] == TEXTS[encoding]
    assert found == guess_encoding(table)
