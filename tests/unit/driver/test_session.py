from __future__ import annotations

import routilux_dist as rd
from routilux_dist.driver.session import Opening
from routilux_dist.plan.tuning import Tuning
from routilux_dist.testing.bench import compile_for


def test_homes_are_left_to_the_backend_where_the_plan_leaves_them_open() -> None:
    flow = rd.Flow("homes")
    flow.add_routine(lambda x: x, "a")
    for name, scope in (("per_job", "job"), ("shared", "worker")):
        made = rd.Routine(name)
        made.add_slot("input", handler=lambda x: x)
        made.add_state(scope=scope, n=0)
        if scope == "worker":
            made.set_options(num_cpus=2)  # a group of its own
        flow.add_routine(made, name)
        flow.connect("a.output", f"{name}.input")
    plan = compile_for(flow)
    opening = Opening(
        plan=plan, routines=flow.routines, flow_handler=None, workers=4, tuning=Tuning(), validate=True, worker_id="w",
        client_id="c",
    )  # fmt: skip
    homes = opening.partitions(4)
    assert homes == {plan.routines["per_job"].group: 4, plan.routines["shared"].group: 1}
