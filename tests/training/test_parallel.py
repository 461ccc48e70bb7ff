"""Joining other processes: on which GPU, by what, and what several processes are not for."""

import pytest
import torch
import torch.distributed as dist

from unmask.config import changed, overridden
from unmask.errors import SettingError
from unmask.layers import losses
from unmask.run import pretrain
from unmask.tasks.finetuning import finetune
from unmask.tasks.searching import search
from unmask.tasks.settings import Finetuning
from unmask.training.parallel import process_group


@pytest.fixture
def joined(monkeypatch):
    """What torch is told when a process joins on a machine of `gpus` GPUs."""
    told = {}
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **given: told.update(backend=backend, **given))
    monkeypatch.setattr(dist, "destroy_process_group", lambda: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: told.update(gpu=number))

    def join(gpus, rank, local_rank):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        for name, value in (("RANK", rank), ("WORLD_SIZE", 8), ("LOCAL_RANK", local_rank)):
            monkeypatch.setenv(name, str(value))
        with process_group() as me:
            return me, told

    return join


def test_each_process_of_a_machine_takes_its_own_gpu(joined):
    me, told = joined(gpus=4, rank=6, local_rank=2)
    assert (me.rank, told["rank"], told["world_size"], told["gpu"]) == (6, 6, 8, 2)


def test_a_process_that_is_shown_its_own_gpu_alone_takes_that(joined):
    assert joined(gpus=1, rank=3, local_rank=3)[1]["gpu"] == 0


def test_tensors_on_either_side_are_added_where_there_are_gpus(joined):
    assert joined(gpus=4, rank=0, local_rank=0)[1]["backend"] == "cpu:gloo,cuda:nccl"


def test_processors_alone_are_joined_by_gloo(joined):
    told = joined(gpus=0, rank=0, local_rank=0)[1]
    assert (told["backend"], "gpu" in told) == ("gloo", False)


@pytest.mark.parametrize("option", ["--seeds", "--search"])
def test_several_processes_train_one_run(option, monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    run = overridden(Finetuning(model="bert"), ["task=classification", "data.train=x.tsv"])
    started = {
        "--seeds": lambda: finetune(run, tmp_path / "run", seeds=2),
        "--search": lambda: search(run, ["training.epochs=1,2"], tmp_path / "run"),
    }[option]
    with pytest.raises(SettingError, match=f"{option}: 2 processes train one run together; leave it out, or start one"):
        started()
    assert not (tmp_path / "run").exists()


def test_a_gpu_holds_more_logits_at_a_time_than_a_cache():
    embedding = torch.empty(50_000, 4)
    assert losses.rows_at_once(embedding) == 83
    assert losses.rows_at_once(embedding.to("meta")) > 1000


def test_a_device_that_is_not_there_is_named_and_no_folder_is_left(run, tmp_path):
    with pytest.raises(SettingError, match=r"training.device=gpu: torch .* finds no such device here; auto takes"):
        pretrain(changed(run, training={"device": "gpu"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
