"""A batch behaves as the tensor that Avalanche's plugins take ``x`` for."""

import pytest
import torch

from transferlab.core.batch import Batch


def make(lengths, rows, *, width=None):
    """A batch whose token, label and pixel values tell which sample they came from."""
    width = width or max(lengths)
    ids = torch.zeros(len(lengths), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for index, length in enumerate(lengths):
        ids[index, width - length :] = index + 1
        labels[index, -2:] = 10 * (index + 1) + torch.arange(2)
    owners = torch.tensor([i + 1.0 for i, count in enumerate(rows) for _ in range(count)])
    return Batch(
        input_ids=ids,
        attention_mask=(ids != 0).long(),
        labels=labels,
        media={"pixel_values": owners[:, None].expand(-1, 3)},
        media_rows=tuple(rows),
        sample_ids=tuple(f"s{i + 1}" for i in range(len(lengths))),
    )


@pytest.fixture
def batch():
    return make([4, 3, 5], [1, 0, 2])


def owners(batch):
    return batch.media["pixel_values"][:, 0].tolist()


def test_it_has_the_sizes_that_plugins_ask_for(batch):
    assert len(batch) == 3
    assert batch.size(0) == 3
    assert batch.size() == batch.shape == torch.Size([3, 5])
    assert batch.device == torch.device("cpu")


def test_targets_come_in_the_order_of_the_logits(batch):
    assert batch.targets().tolist() == [10, 11, 20, 21, 30, 31]


@pytest.mark.parametrize(
    ("index", "ids"),
    [
        (1, ["s2"]),
        (-1, ["s3"]),
        (slice(1, None), ["s2", "s3"]),
        ([2, 0], ["s3", "s1"]),
        (torch.tensor([2, 2]), ["s3", "s3"]),
        (torch.tensor([True, False, True]), ["s1", "s3"]),
        (slice(0, 0), []),
    ],
)
def test_every_kind_of_index_takes_text_and_media_together(batch, index, ids):
    part = batch[index]
    numbers = [int(name[1:]) for name in ids]
    rows = {1: 1, 2: 0, 3: 2}
    assert list(part.sample_ids) == ids
    assert part.input_ids[:, -1].tolist() == numbers
    assert part.media_rows == tuple(rows[n] for n in numbers)
    assert owners(part) == [float(n) for n in numbers for _ in range(rows[n])]


def test_an_index_out_of_range_is_an_error(batch):
    with pytest.raises(IndexError):
        batch[3]


def test_walking_gives_one_sample_at_a_time(batch):
    assert [one.sample_ids for one in batch] == [("s1",), ("s2",), ("s3",)]


def test_joining_pads_on_the_left_and_keeps_everything(batch):
    other = make([2], [1])
    joined = torch.cat([batch, other])
    assert joined.shape == torch.Size([4, 5])
    assert joined.input_ids[3].tolist() == [0, 0, 0, 1, 1]
    assert joined.attention_mask[3].tolist() == [0, 0, 0, 1, 1]
    assert joined.labels[3].tolist() == [-100, -100, -100, 10, 11]
    assert joined.media_rows == (1, 0, 2, 1)
    assert owners(joined) == [1.0, 3.0, 3.0, 1.0]
    assert joined.targets().tolist() == [*batch.targets().tolist(), 10, 11]


def test_taking_apart_and_joining_is_the_identity(batch):
    again = Batch.cat(list(batch))
    assert torch.equal(again.input_ids, batch.input_ids)
    assert torch.equal(again.labels, batch.labels)
    assert owners(again) == owners(batch)
    assert again.sample_ids == batch.sample_ids


def test_a_batch_without_media_joins_one_with_media(batch):
    text_only = batch[1]
    bare = Batch(**{**vars(text_only), "media": {}})
    joined = Batch.cat([bare, batch])
    assert owners(joined) == owners(batch)
    assert joined.media_rows == (0, 1, 0, 2)


def test_moving_moves_every_tensor(batch):
    moved = batch.to("meta")
    devices = {moved.input_ids.device, moved.attention_mask.device, moved.labels.device}
    devices.add(moved.media["pixel_values"].device)
    assert devices == {torch.device("meta")}
    assert moved.sample_ids == batch.sample_ids


def test_other_tensor_functions_are_refused(batch):
    with pytest.raises(TypeError):
        torch.mean(batch)
