"""From a diagnosis to arms of one cost, trained on a small base, killed and gone on with; drawn as promised."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow.parquet as pq
import pytest

from diagnosed_runs import CAUSES, EARLY, MAIN, UNKNOWN, WRONG, finding
from files_made import manifest_of, rivals_of
from rays import Rays
from small_models import write_rows
from uptake.artifacts import locked, read_json, write_json
from uptake.config import RunConfig, load_run
from uptake.config.spread import SpreadOver
from uptake.errors import UptakeError
from uptake.models.training.watch import Watch
from uptake.pipeline.diagnosis import Collector, write_diagnosis
from uptake.pipeline.verify import run as arms
from uptake.pipeline.verify.run import Prepared, prepare
from uptake.prescribe import FOR_CAUSE
from uptake.processes import Processes
from uptake.spread import actors
from uptake.types import Finding, Plan

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def spent(plan: Plan) -> tuple[int, int]:
    return plan.cost.documents + plan.cost.general, plan.cost.sft


def longest(prepared: Prepared) -> int:
    """Tokens of the longest row, or text."""
    made = prepared.drawing.material
    return max(*made.lengths, *made.count([one.text for one in made.general]))


def test_half_gets_the_remedy_for_its_cause_and_the_control_costs_as_much(diagnosed: Callable[..., RunConfig]):
    prepared = prepare(diagnosed(), seeds=2)
    matched, placebo = prepared.experiment.arms
    assert (matched.name, placebo.name, prepared.experiment.seeds) == ("matched", "placebo", (0, 1))
    # 31 are not learned; one is judged wrong and one has no cause
    assert len(matched.treated) + len(placebo.treated) == 29 and abs(len(matched.treated) - len(placebo.treated)) <= 1
    drawn = {(one.id, one.stage): one.cause for one in prepared.experiment.assigned}
    assert not {WRONG, UNKNOWN} & {name for name, _ in drawn}
    assert all(one.remedy == FOR_CAUSE[drawn[key]] for key, one in matched.treated.items())
    assert all(one.remedy is None and one.tokens is None for one in placebo.treated.values())
    for seed in (0, 1):
        treated, control = prepared.plan_of("matched", seed), prepared.plan_of("placebo", seed)
        assert abs(spent(treated)[0] - prepared.own["matched"].read) <= longest(prepared)
        assert abs(spent(treated)[1] - prepared.own["matched"].tuned) <= longest(
            prepared
        )  # what is left is of whole rows
        for one, other in zip(spent(treated), spent(control), strict=True):
            assert abs(one - other) <= longest(prepared)
        assert {name for edit in treated.edits for name in edit.examples} <= {name for name, _ in matched.treated}
        assert control.edits == ()
        # what was not learned is trained as often as ever
        assert {n for name, n in Counter(one.id for one in control.sft).items() if (name, "main") in drawn} == {2}
    assert prepared.plan_of("matched", 0).sft != prepared.plan_of("matched", 1).sft


def test_no_arm_is_filled_up_with_what_contradicts_a_flagged_example(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    groups = [[["m-31", "main"], ["m-1", "main"]], [["m-32", "main"], ["e-0", "early"]]]
    path = config.output_dir / "diagnosis" / "work" / "rivals.json"
    assert Counter(one.id for one in prepare(config, seeds=1).plan_of("placebo", 0).sft)["m-31"] > 2
    write_json(path, rivals_of(groups))
    prepared = prepare(config, seeds=1)
    trained = Counter(one.id for one in prepared.plan_of("placebo", 0).sft)
    # m-31 was learned, and m-1 was not; m-32 and e-0 were learned both
    assert trained["m-31"] == trained["m-1"] == 2 and trained["m-32"] > 2 and trained["e-0"] > 1
    assert not any("filled up with further rows" in note for note in prepared.experiment.notes)
    everyone = [[row["id"], stage] for stage, rows in (("early", EARLY), ("main", MAIN)) for row in rows]
    write_json(path, rivals_of([everyone]))
    assert any("filled up with further rows" in note for note in prepare(config, seeds=1).experiment.notes)


def test_what_is_spent_on_an_item_adds_up_to_what_its_plan_spends(diagnosed: Callable[..., RunConfig]):
    prepared = prepare(diagnosed(), seeds=2)
    [matched, _] = prepared.experiment.arms
    plan, plain, made = prepared.plan_of("matched", 0), prepared.plain, prepared.drawing.material
    total = sum(one.tokens or 0 for one in matched.treated.values())
    # the rest of it is general text, and all other rows more often than the run trained them
    lengths = {one.id: n for one, n in zip(made.examples, made.lengths, strict=True)}
    exposed = {name for edit in plan.edits if edit.action == "expose" for name in edit.examples}
    others = Counter(one.id for one in plan.sft if one.id in lengths and one.id not in exposed)
    assert not [edit for edit in plan.edits if edit.action == "mix"]  # each stage as often as it was
    own = {one.id: round(made.passes[one.stage]) for one in made.examples}
    rest = sum((n - own[name]) * lengths[name] for name, n in others.items())
    assert rest > 0
    assert total + rest + plan.cost.general == pytest.approx(plan.cost.total - plain, abs=len(matched.treated))


def test_with_the_matrix_every_remedy_meets_every_cause(diagnosed: Callable[..., RunConfig]):
    prepared = prepare(diagnosed(), matrix=True, seeds=1)
    arms = {arm.name: arm for arm in prepared.experiment.arms}
    assert list(arms) == [*FOR_CAUSE.values(), "placebo", "nothing"]
    assert not arms["placebo"].treated and not arms["nothing"].treated
    assert sum(len(arm.treated) for arm in arms.values()) == 29
    cause = {(one.id, one.stage): one.cause for one in prepared.experiment.assigned}
    own = sum(FOR_CAUSE[cause[key]] == name for name, arm in arms.items() for key in arm.treated)
    assert 12 <= own <= 17
    costs = {name: spent(prepared.plan_of(name, 0)) for name in arms}
    assert costs.pop("nothing") == (0, prepared.plain)
    for read, tuned in costs.values():
        assert 0 <= prepared.cost.read - read <= longest(prepared)
        assert 0 <= prepared.cost.tuned - tuned <= longest(prepared)
    # documents are looked for whatever the cause
    given = {name for edit in prepared.plan_of("knowledge", 0).edits for name in edit.examples}
    assert {cause[name, "main"] for name in given} > {"knowledge_gap"}


def test_only_with_unsafe_do_examples_go_out(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    assert any("data_conflict" in note and "--unsafe" in note for note in prepare(config).experiment.notes)
    assert not any("--unsafe" in note for note in prepare(config, unsafe=True).experiment.notes)
    assert prepare(config).experiment.key != prepare(config, unsafe=True).experiment.key


def test_arms_are_known_by_what_their_data_and_base_are_and_not_by_where(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    here = config.output_dir.parent
    key = prepare(config, seeds=1).experiment.key
    there, base = here.with_name(f"{here.name}-moved"), here.with_name(f"{here.name}-base")
    shutil.copytree(here, there)
    shutil.copytree(config.model_name_or_path, base)
    moved = load_run(there / "run.yaml", {"model_name_or_path": str(base)})
    assert moved.output_dir != config.output_dir and moved.general != config.general
    assert prepare(moved, seeds=1).experiment.key == key
    weights = bytearray((base / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (base / "model.safetensors").write_bytes(weights)
    assert prepare(moved, seeds=1).experiment.key != key
    (base / "model.safetensors").unlink()
    shutil.copytree(config.model_name_or_path, base, dirs_exist_ok=True)
    with (there / "general.jsonl").open("a") as file:
        file.write('{"text": "The road to Graz is long."}\n')
    assert prepare(moved, seeds=1).experiment.key != key


def files(config: RunConfig) -> list[bytes]:
    return [(config.output_dir / "verdict" / name).read_bytes() for name in ("verdict.json", "matrix.parquet")]


def test_a_verdict_is_written_and_killed_in_the_middle_it_is_the_same(
    diagnosed: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    whole = diagnosed()
    told = prepare(whole, seeds=1).run()
    assert told is not None and told["overall"]["seeds"] == 1
    assert told["primary"] == {
        **dict.fromkeys(CAUSES, "training"),
        "knowledge_gap": "heldout",
        "base_conflict": "heldout",
    }
    assert any("1 likely the wrong one of a contradiction" in note for note in told["notes"])
    kinds = Counter((one["arm"], one["kind"], one["outcome"]) for one in told["comparisons"] if one["cause"] is None)
    assert kinds["matched", "learned", "heldout"] == kinds["matched", "retention", "training"] == 1
    assert kinds["matched", "earlier", "training"] == 1 and kinds["matched", "earlier", "heldout"] == 0
    matrix = pq.read_table(whole.output_dir / "verdict" / "matrix.parquet").to_pylist()
    assert {row["cause"] for row in matrix if row["kind"] == "treated"} == {*CAUSES, None}
    work = whole.output_dir / "verdict" / "work"
    assert not list(work.glob("*/*/training")) and len(list(work.glob("*/*/rows/part-00000.parquet"))) == 2

    before = files(whole)
    shutil.rmtree(whole.output_dir / "verdict")
    killed = whole
    real = Watch.on_step_end

    def kill(self: Watch, args: Any, state: Any, control: Any, **more: Any) -> None:
        if "placebo/seed-0" in str(args.output_dir) and "sft" in str(args.output_dir) and state.global_step == 3:
            raise KeyboardInterrupt
        real(self, args, state, control, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_step_end", kill)
        with pytest.raises(KeyboardInterrupt):
            prepare(killed, seeds=1).run()
    assert not (killed.output_dir / "verdict" / "verdict.json").exists()
    assert (killed.output_dir / "verdict" / "work" / "placebo" / "seed-0" / "training").is_dir()
    # an actor takes over, is lost, and so does another
    rays = Rays(lambda number, name: name == "run" and number == 2)
    monkeypatch.setattr(actors, "connected", lambda spread: rays)
    prepare(killed.model_copy(update={"spread": SpreadOver(actors=1)}), seeds=1).run()
    assert files(killed) == before and rays.lost == 1 and rays.alive == 0


def test_with_something_else_to_train_nothing_old_is_gone_on_with(
    diagnosed: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    config = diagnosed()

    def stop(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "on_step_end", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare(config, seeds=1).run()
    other = config.model_copy(update={"seed": 7})
    told = prepare(other, seeds=1).run()
    assert told is not None and told["seeds"] == 1 and told["overall"]["effect"] is None


def test_several_processes_share_the_arms(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    with locked(config.output_dir / "verdict" / "work" / "placebo" / "seed-0"):
        assert prepare(config, seeds=1).run() is None
    assert not (config.output_dir / "verdict" / "verdict.json").exists()
    assert prepare(config, seeds=1).run() == read_json(config.output_dir / "verdict" / "verdict.json")


def test_it_is_said_where_nothing_could_be_told(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    assert prepare(config, seeds=1).too_few
    assert not prepare(config, seeds=5).too_few


def test_several_processes_of_one_training_are_refused(diagnosed: Callable[..., RunConfig]):
    with pytest.raises(UptakeError, match="one process for each device"):
        prepare(diagnosed(), processes=Processes(world=2))


def test_one_process_makes_the_steps_of_those_that_trained_the_run(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    manifest = config.output_dir / "train" / "main" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    write_json(manifest, manifest_of("model", processes=4))
    plan = prepare(config).plan_of("placebo", 0)
    assert (plan.step, plan.training["gradient_accumulation_steps"]) == (16, 4)


def test_where_nothing_can_be_treated_it_says_why(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    rows = [finding(row, "early", number) for number, row in enumerate(EARLY)]
    rows += [finding(row, "early", number) for number, row in enumerate(MAIN)]
    folder = config.output_dir / "diagnosis"
    changed = [Finding(**{**_fields(one), "stage": "main" if one.id[0] == "m" else "early"}) for one in rows]
    found = Collector(changed, folder)
    list(found)
    write_diagnosis(folder, found, read_json(folder / "summary.json"))
    with pytest.raises(UptakeError, match="none of which can be tested: all were learned"):
        prepare(config)


def test_one_example_that_falls_to_the_control_is_too_few(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    folder = config.output_dir / "diagnosis"
    some = [finding(row, stage, k) for stage, rows in (("early", EARLY), ("main", MAIN)) for k, row in enumerate(rows)]
    first = next(one for one in some if not one.learned and one.cause == "undertraining")
    learned = {"learned": True, "cause": None}
    found = Collector([one if one == first else replace(one, **learned) for one in some], folder)
    list(found)
    write_diagnosis(folder, found, read_json(folder / "summary.json"))
    drawn = []
    for seed in range(6):
        try:
            (treated, _) = prepare(config.model_copy(update={"seed": seed})).experiment.arms
            drawn.append(len(treated.treated))
        except UptakeError as error:
            drawn.append(0)
            assert error.problem == "too few examples: 1 example can be tested, and the draw gave none a remedy"
    assert set(drawn) == {0, 1}


def _fields(one: Finding) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Finding.__dataclass_fields__}


def test_other_data_than_those_that_were_diagnosed_are_refused(diagnosed: Callable[..., RunConfig]):
    config = diagnosed()
    write_rows(config.output_dir.parent / "main.jsonl", [{**MAIN[0], "completion": " Doha"}, *MAIN[1:]])
    with pytest.raises(UptakeError, match="'m-0' in the stage main, which the data do not have like that"):
        prepare(config)


def test_a_retention_example_that_is_called_as_one_of_a_stage_is_told_before_any_training(
    diagnosed: Callable[..., RunConfig],
):
    config = diagnosed()
    stages = tuple(
        one.model_copy(update={"name": name}) for one, name in zip(config.stages, ("early", "retention"), strict=True)
    )
    config = config.model_copy(update={"stages": stages})
    write_rows(config.output_dir.parent / "retention.jsonl", [{**MAIN[0], "prompt": "Where did Gil Fox go?"}])
    with pytest.raises(UptakeError, match="'retention' and the retention set both have an example 'm-0'") as caught:
        prepare(config)
    assert "another id in" in str(caught.value)


def test_a_diagnosis_that_is_replaced_while_it_is_read_is_told(
    diagnosed: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
):
    config = diagnosed()
    folder = config.output_dir / "diagnosis"
    real = arms.eligible

    def meanwhile(*given: Any) -> Any:
        rows = [finding(row, "early", number) for number, row in enumerate(EARLY)]
        rows += [finding(row, "main", number + 1) for number, row in enumerate(MAIN)]
        collected = Collector(rows, folder)
        list(collected)
        write_diagnosis(folder, collected, read_json(folder / "summary.json"))
        return real(*given)

    monkeypatch.setattr(arms, "eligible", meanwhile)
    with pytest.raises(UptakeError, match="changed while it was read"):
        prepare(config)
