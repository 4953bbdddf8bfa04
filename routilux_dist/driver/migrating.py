"""A run is translated for another version of its flow where it is recovered: migrations are user code, coordinators run none."""

from __future__ import annotations

import dataclasses

from routilux_dist.checkpoint.inspection import list_runs
from routilux_dist.checkpoint.journal import Journal
from routilux_dist.checkpoint.stores import open_store
from routilux_dist.driver import changes, durable, records
from routilux_dist.driver.session import Opening
from routilux_dist.flow import migrations


def migrate(opening: Opening) -> None:
    """Put a snapshot for the flow of now on top of a run that another process is about to go on with.

    Without migrations, or where nothing has changed, there is nothing to do. Whoever runs it at present is fenced.

    Raises:
        CheckpointError: It cannot be read.
        ConfigurationError: Something would be lost all the same, or a migration failed.
    """
    how = opening.durable
    if how is None or not how.go_on or not migrations.registered():
        return
    checkpoint = how.checkpoint
    store = open_store(checkpoint.url)
    if how.run not in list_runs(store):
        return
    journal, found = Journal.open(store, how.run, checkpoint.key, checkpoint.keep)
    try:
        past = durable.read(found, journal.get_blob, checkpoint.allow_pickle)
        if past is None or not changes.needed(past.setting, opening.plan, how.schemas):
            return
        partitions = opening.partitions(opening.workers)
        adapted = changes.adapt(past.setting, past.machine, opening.plan, partitions, how.schemas, timers=past.timers)
        setting = dataclasses.replace(
            past.setting,
            plan=opening.plan,
            tuning=opening.tuning,
            partitions=adapted.partitions,
            beside=(),  # group numbers of the older plan; whoever opens it looks again
            schemas=how.schemas,
        )
        data = durable.as_snapshot(setting, adapted.picture, adapted.timers)
        journal.snapshot(records.dumps(data, journal.put_blob))
    finally:
        journal.close()
