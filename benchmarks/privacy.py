"""What privacy.text finds in made-up notes, and the search for burned-in text on pictures.

Notes are radiology sentences filled with names, dates, numbers, phones and addresses that Faker
makes in eight locales; pictures are radiograph-like noise with a line of text drawn on half of
them. Run it from the repository's root, with the extras 'privacy' and 'dev':

    python benchmarks/privacy.py [--notes 192] [--pictures 40] [--folder FOLDER]

An identifier counts as caught when no word of it with three characters or more is left. With a
folder, its pictures are used as the ground instead of noise.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from faker import Faker
from PIL import Image, ImageDraw, ImageFont

from transferlab.config.privacy import TEXT_MODEL
from transferlab.domain.privacy.burned_in_text import count_characters
from transferlab.domain.privacy.text_scrubber import Scrubber

TEMPLATES = [
    "Patient {name}, MRN {record}, was seen on {date}. Chest radiograph shows no consolidation.",
    "{name} is a 67 year old man with cough. Heart size is normal. Call {phone} with questions.",
    "HISTORY: Fever since {date}. FINDINGS: Right lower lobe opacity. Dictated by Dr. {name}.",
    "Comparison: {date}. Lungs are clear. Discussed with Dr. {last} by telephone at {phone}.",
    "Patient address: {address}. Accession number {record}. Small left pleural effusion.",
    "Mrs. {last} lives at {address} and reports dyspnea. No pneumothorax.",
    "Signed electronically: {name}, MD, {date} 14:32. Contact: {email}.",
    "RE: {name} (DOB: {date}; MRN: {record})\nThere is a 6 mm nodule. Follow up in 12 months.",
    "NAME: {last}, {first}   HOSP NO: {record}   EXAM DATE: {date}\nIMPRESSION: Cardiomegaly.",
    "I saw {first} in clinic today. Parkinson disease is stable. Swan-Ganz catheter in place.",
    "Referred by {name} of {city}. ET tube 3 cm above the carina. SSN {ssn}.",
    "Compared with {date}, the Hodgkin lymphoma is smaller. Discussed with {name}, {phone}.",
]
LOCALES = ["en_US", "en_GB", "en_IN", "de_DE", "es_ES", "it_IT", "fr_FR", "pl_PL"]
DATES = ["%m/%d/%Y", "%Y-%m-%d", "%d %B %Y", "%B %d, %Y", "%d.%m.%Y", "%m/%d/%y", "%b %d %Y"]
KINDS = {"first": "name", "last": "name", "ssn": "record", "city": "address"}

Note = tuple[str, list[tuple[str, str]]]
"""A text, and its identifiers as (kind, value)."""


def make_notes(count: int) -> list[Note]:
    """The same notes every time."""
    Faker.seed(0)
    rng = random.Random(0)
    fakers = [Faker(locale) for locale in LOCALES]
    notes = []
    for number in range(count):
        faker = fakers[number // len(TEMPLATES) % len(fakers)]
        planted: list[tuple[str, str]] = []

        def fill(match: re.Match[str], faker=faker, planted=planted) -> str:
            kind = match[1]
            value = _value(kind, faker, fakers[0], rng)
            planted.append((KINDS.get(kind, kind), value))
            return value

        text = re.sub(r"\{(\w+)\}", fill, TEMPLATES[number % len(TEMPLATES)])
        notes.append((text, planted))
    return notes


def _value(kind: str, faker: Faker, american: Faker, rng: random.Random) -> str:
    numbers = (f"{rng.randrange(10**7):07d}", f"H{rng.randrange(10**7):07d}",
               f"{rng.randrange(1000):03d}-{rng.randrange(100):02d}-{rng.randrange(10**4):04d}",
               f"ACC{rng.randrange(10**8):08d}")  # fmt: skip
    made = {
        "first": faker.first_name,
        "last": faker.last_name,
        "name": lambda: f"{faker.first_name()} {faker.last_name()}",
        "address": lambda: faker.address().replace("\n", ", "),
        "city": faker.city,
        "email": faker.email,
        "phone": rng.choice([american.phone_number, faker.phone_number]),
        "ssn": american.ssn,
        "date": lambda: american.date_object().strftime(rng.choice(DATES)),
        "record": lambda: rng.choice(numbers),
    }
    return made[kind]()


def score_notes(notes: list[Note]) -> None:
    """Print, by kind, how many identifiers are gone, and what else went."""
    scrubber = Scrubber(TEXT_MODEL)
    total, caught = Counter[str](), Counter[str]()
    missed: defaultdict[str, list[str]] = defaultdict(list)
    kept, clinical = 0, 0
    started = time.process_time()
    for text, planted in notes:
        clean, _ = scrubber.scrub(text)
        for kind, value in planted:
            total[kind] += 1
            words = [word for word in re.findall(r"\w+", value) if len(word) > 2]
            if any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", clean) for word in words):
                missed[kind].append(value)
            else:
                caught[kind] += 1
        rest = text
        for _, value in planted:
            rest = rest.replace(value, "")
        words = re.findall(r"\w+", rest)
        clinical += len(words)
        kept += sum((Counter(words) & Counter(re.findall(r"\w+", clean))).values())
    seconds = (time.process_time() - started) / len(notes)
    print(f"{len(notes)} notes, {1e3 * seconds:.0f} ms of processor time each")
    for kind in sorted(total):
        print(f"  {kind:8s} {caught[kind]} of {total[kind]}   missed, e.g. {missed[kind][:3]}")
    print(f"  other words lost: {1 - kept / clinical:.1%} of {clinical}")


def score_pictures(count: int, folder: Path | None) -> None:
    """Print how many pictures with and without a drawn line are flagged."""
    found = sorted(folder.rglob("*.*g")) if folder else []
    found = found[:: max(1, len(found) // count)]
    flagged: dict[bool, list[bool]] = {True: [], False: []}
    started = time.process_time()
    for number in range(count):
        random_state = np.random.default_rng(number)
        ground = _ground(random_state, found[number] if number < len(found) else None)
        with_text = number % 2 == 0
        if with_text:
            _draw(ground, random_state)
        flagged[with_text].append(count_characters(np.asarray(ground)) > 0)
    seconds = (time.process_time() - started) / count
    print(f"{count} pictures, {seconds:.2f} s of processor time each")
    print(f"  with text: {sum(flagged[True])} of {len(flagged[True])} flagged")
    print(f"  without:   {sum(flagged[False])} of {len(flagged[False])} flagged")


def _ground(random_state: np.random.Generator, path: Path | None) -> Image.Image:
    if path is not None:
        return Image.open(path).convert("RGB")
    soft = Image.fromarray(random_state.integers(0, 256, (12, 12), np.uint8))
    grey = np.asarray(soft.resize((512, 512), Image.Resampling.BICUBIC), np.float32)
    grain = random_state.normal(0, 6, grey.shape)
    return Image.fromarray((grey + grain).clip(0, 255).astype(np.uint8)).convert("RGB")


def _draw(ground: Image.Image, random_state: np.random.Generator) -> None:
    """A patient's line in white, 12 to 24 pixels high, somewhere in the upper or lower margin."""
    Faker.seed(int(random_state.integers(10**6)))
    faker = Faker("en_US")
    line = f"{faker.last_name().upper()}^{faker.first_name().upper()} {faker.date()}"
    size = int(random_state.integers(12, 25))
    top = int(random_state.choice([6, ground.height - size - 10]))
    font = ImageFont.load_default(size=size)
    ImageDraw.Draw(ground).text((8, top), line, fill=(255, 255, 255), font=font)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notes", type=int, default=192)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.notes:
        score_notes(make_notes(args.notes))
    if args.pictures:
        score_pictures(args.pictures, args.folder)


if __name__ == "__main__":
    main()
