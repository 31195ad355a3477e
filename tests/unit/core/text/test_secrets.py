"""What opens an address is never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transferlab.core.text.secrets import hide, hide_in_text, without_secrets


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://me:hush@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql://me:hu/sh@db:5432/x", "postgresql://me:***@db:5432/x"),
        ("postgresql://me:hu@sh@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me:hu?sh#x@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me:a[b@db/x", "postgresql://me:***@db/x"),
        ("postgresql://me@db/x", "postgresql://me@db/x"),
        ("postgresql://db/x?user=me&password=hush", "postgresql://db/x?user=***&password=***"),
        (
            "postgresql://db/x?sslmode=require&passwd=h",
            "postgresql://db/x?sslmode=require&passwd=***",
        ),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dhush", "mssql+pyodbc:///?odbc_connect=***"),
        ("https://host/mlflow?token=hush", "https://host/mlflow?token=***"),
        ("https://host/mlflow?hush", "https://host/mlflow?***"),
        ("https://host/mlflow#token=hush", "https://host/mlflow#***"),
        ("https://hush@host/mlflow", "https://***@host/mlflow"),
        ("https://me:@host", "https://me:***@host"),
        ("https://host/a;password=hush/b", "https://host/a;password=***"),
        ("ftp://me:hush@host/runs", "ftp://me:***@host/runs"),
        ("wasbs://c@account.blob/p?sig=hush&se=2030", "wasbs://***@account.blob/p?sig=***&se=***"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[::1]:5000/x", "http://[::1]:5000/x"),
        ("s3://bucket/runs@v1", "s3://bucket/runs@v1"),
        ("sqlite:////home/a:b/x@y.db", "sqlite:////home/a:b/x@y.db"),
        ("mlruns/artifacts", "mlruns/artifacts"),
        ("/data/me:x@y", "/data/me:x@y"),
    ],
)
def test_what_is_shown_of_an_address(uri, shown):
    assert without_secrets(uri) == shown
    assert without_secrets(shown) == shown


def test_addresses_inside_a_sentence():
    text = "API request to http://me:hush@h:5/api failed ('https://x/?sig=hush'), see docs/a.md"
    assert hide_in_text(text) == (
        "API request to http://me:***@h:5/api failed ('https://x/?sig=***'), see docs/a.md"
    )


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("postgresql://me:hush%2Fword@db/x", 'password "hush/word" is wrong'),
        ("postgresql://me:hush@word@db/x", 'could not translate host name "word@db"'),
        ("postgresql://db/x?password=hush+word", "hush word"),
        ("https://host/?token=hushword", "no route to /?token=hushword"),
        ("https://hushword@host/", "user hushword is unknown"),
    ],
)
def test_a_librarys_message_keeps_no_part_of_a_secret(uri, message):
    said = hide(message, uri)
    assert "hush" not in said
    assert "word@" not in said
    assert "***" in said


_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=8, max_size=20)


@given(_SECRETS, st.sampled_from(["password", "token", "sig", "api_key", "X-Amz-Signature", "pw"]))
def test_no_secret_is_shown_wherever_it_stands(secret, name):
    """Whatever characters it has: those of addresses too, where the URI would be hard to parse."""
    assert secret not in without_secrets(f"postgresql://me:{secret}@db:5432/mlflow")
    assert secret not in without_secrets(f"postgresql://me:{secret}@db/mlflow?sslmode=require")
    plain = secret.translate(dict.fromkeys(map(ord, "&;#@"), "x"))
    assert plain not in without_secrets(f"https://host/mlflow?a=1&{name}={plain}")
    assert secret not in hide(f"cannot connect with {secret} to db", f"mysql://me:{secret}@db/x")
