"""Which legs a command line means, and which it cannot: what would make a comparison unfair is refused."""

import pytest

from unmask.comparison.legs import planned, refuse_other
from unmask.config import changed, overridden
from unmask.errors import SettingError
from unmask.recipes import named

SHARED = ("data.store=stores/a", "training.minutes=5")


def refused(*words, **settings):
    with pytest.raises(SettingError) as caught:
        planned(words, **settings)
    return str(caught.value)


def test_every_recipe_has_every_seed_and_the_first_round_is_whole_before_the_second():
    legs = planned(["bert", "modernbert", *SHARED, "seed=3"], seeds=2)
    assert [leg.key for leg in legs] == ["bert-3", "modernbert-3", "bert-4", "modernbert-4"]
    assert {leg.run.training.minutes for leg in legs} == {5.0}


def test_a_setting_can_be_for_one_leg_alone_and_a_recipe_can_come_twice():
    legs = planned(["mae", "mae-75=mae", "mae-75:masking.ratio=0.75", *SHARED])
    assert [(leg.name, leg.run.masking.ratio) for leg in legs] == [("mae", 0.5), ("mae-75", 0.75)]


def test_a_run_json_is_a_leg_named_by_its_folder(tmp_path):
    from unmask.distributed import World
    from unmask.stages import started

    run = overridden(named("bert"), [*SHARED, "architecture.layers=1"])
    started(run, tmp_path / "small", World())
    (leg,) = planned([str(tmp_path / "small" / "run.json")])
    assert (leg.name, leg.run) == ("small", run)


def test_where_one_needs_a_document_a_row_all_have_it_but_those_that_need_pairs(capsys):
    legs = planned(["modernbert", "lstm", "bert-pretraining", *SHARED])
    assert [leg.run.data.packing for leg in legs] == ["document", "document", "pairs"]
    assert "lstm: a document a row is needed" in (said := " ".join(capsys.readouterr().err.split()))
    assert "bert-pretraining: pairs are kept" in said


def test_where_none_needs_it_rows_stay_packed_and_a_layout_for_all_leaves_pairs_alone():
    assert [leg.run.data.packing for leg in planned(["modernbert", "bert", *SHARED])] == ["packed", "packed"]
    legs = planned(["modernbert", "bert-pretraining", "data.packing=document", *SHARED])
    assert [leg.run.data.packing for leg in legs] == ["document", "pairs"]
    legs = planned(["bert-pretraining", "data.packing=swapped", *SHARED])
    assert legs[0].run.data.packing == "swapped"


def test_unfair_comparisons_are_refused_with_what_differs():
    assert "bert and lstm differ in their budget" in refused("bert", "lstm", "lstm:training.minutes=6", *SHARED)
    assert "differ in their row length (data.row_length), 128 and 64: set it for all" in refused(
        "bert", "lstm", "lstm:data.row_length=64", *SHARED
    )
    assert "differ in their store" in refused("bert", "lstm", "lstm:data.store=stores/b", *SHARED)


def test_mistakes_are_named():
    assert refused().startswith("which recipes? unmask compare RECIPE RECIPE data.store=STORE")
    assert refused("bert", "training.minutes=5").startswith("which store? data.store=STORE; make one with:")
    assert refused("bert", "bert", *SHARED) == "bert is named twice: call one otherwise, OTHER=bert"
    assert "unknown leg 'brt'; did you mean 'bert'?" in refused("bert", "brt:seed=1", *SHARED)
    assert "unknown recipe 'brt'; did you mean 'bert'?" in refused("brt", *SHARED)
    assert refused("a/b=bert", *SHARED).startswith("'a/b' names a folder")
    assert refused("lstm", "data.packing=packed", *SHARED).startswith("lstm: data.packing=packed: architecture=lstm")
    assert refused("bert", *SHARED, seeds=0) == "seeds=0: 1 or more are needed"


def test_the_same_leg_may_spell_its_store_otherwise_and_nothing_else(tmp_path):
    run = overridden(named("bert"), SHARED)
    moved = changed(run, data={"store": "/elsewhere/stores/a", "language": "en"})
    refuse_other(moved, "print", run, "print", tmp_path)
    other = overridden(run, ["training.minutes=3"])
    with pytest.raises(
        SettingError, match=r"was made with training\.minutes=3\.0, now it is 5\.0: take another folder"
    ):
        refuse_other(other, "print", run, "print", tmp_path)
    with pytest.raises(SettingError, match=r"was made from another store than stores/a: take another folder with --to"):
        refuse_other(run, "another", run, "print", tmp_path)
