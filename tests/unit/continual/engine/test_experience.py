"""Samples as Avalanche's datasets."""

from dataclasses import replace

from continual_cases import ToyBackbone, make_samples

from transferlab.continual.engine.experience import Classes, Collate, make_dataset


def test_labels_are_classes_and_other_tasks_are_one_class_each():
    classes = Classes()
    xray = make_samples("xray", 4)
    free = [replace(s, task="report", kind="describe", choices=(), answer=s.id) for s in xray]
    assert [classes.number(s) for s in xray] == [0, 1, 2, 0]
    assert {classes.number(s) for s in free} == {3}
    assert classes.number(make_samples("lecture", 1)[0]) == 4


def test_class_numbers_survive_a_checkpoint_without_any_answer_in_it():
    classes = Classes()
    samples = make_samples("xray", 3)
    numbers = [classes.number(sample) for sample in samples]
    again = Classes(classes.keys())
    assert [again.number(sample) for sample in reversed(samples)] == numbers[::-1]
    assert "clear" not in str(classes.keys())
    assert "xray" not in str(classes.keys())


def test_subsets_and_sums_keep_samples_classes_tasks_and_collation():
    collate = Collate(ToyBackbone())
    classes = Classes()
    first, second = make_samples("xray", 5), make_samples("lecture", 4)
    one = make_dataset(first, tasks=[0] * 5, classes=classes, collate=collate)
    two = make_dataset(second, tasks=[1] * 4, classes=classes, collate=collate)
    mixed = one.subset([4, 0]).concat(two.subset([3]))
    assert [mixed[i][0].id for i in range(3)] == ["xray-4", "xray-0", "lecture-3"]
    assert list(mixed.targets) == [1, 0, 3]
    assert list(mixed.targets_task_labels) == [0, 0, 1]
    assert sorted(mixed.task_set) == [0, 1]
    x, y, t = mixed.collate_fn([mixed[i] for i in range(3)])
    assert x.sample_ids == ("xray-4", "xray-0", "lecture-3")
    assert y.tolist() == x.targets().tolist()
    assert t.tolist() == [0, 0, 1]
