"""What is true of every store of runs: apply :data:`CHECKS` to yours.

Each check takes an opener: a function without arguments that opens the same storage whenever
it is called, in this process or, pickled, in another one. The storage is empty at first::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_is_a_store(check, tmp_path):
        check(functools.partial(open_store, tmp_path / "store.sqlite"))

A check raises AssertionError where the store breaks the contract. That later versions read what
this one wrote is checked by :mod:`llmopt.testing.stores.versions`.
"""

from __future__ import annotations

from llmopt.testing.stores import journals, processes, replies, tidying
from llmopt.testing.stores.demands import (
    MODEL,
    Check,
    Opener,
    StoreCheckError,
    call_number,
    get_number,
    put_number,
    reply_number,
)
from llmopt.testing.stores.versions import a_sample_is_kept, write_sample

__all__ = [
    "CHECKS",
    "MODEL",
    "Check",
    "Opener",
    "StoreCheckError",
    "a_sample_is_kept",
    "call_number",
    "get_number",
    "put_number",
    "reply_number",
    "write_sample",
]

CHECKS: tuple[Check, ...] = (
    journals.a_run_is_created_once,
    journals.an_unknown_run_is_refused_and_the_nearest_named,
    journals.a_name_follows_the_rule,
    journals.a_new_name_is_the_first_free_one,
    journals.records_are_written_together,
    journals.a_journal_keeps_its_order,
    journals.records_of_a_kind_are_found_in_all_journals,
    journals.a_journal_can_grow_while_it_is_read,
    journals.runs_are_summed_up_newest_first,
    journals.a_running_run_nobody_claims_is_interrupted,
    replies.a_reply_is_kept_as_it_was,
    replies.replies_are_read_while_others_are_put,
    replies.the_first_reply_stays,
    replies.usage_is_summed_by_run_and_role,
    journals.seconds_add_up,
    journals.only_an_empty_run_is_discarded,
    tidying.the_last_label_holds,
    tidying.a_renamed_run_keeps_what_it_has,
    tidying.a_rename_is_refused_where_it_would_harm,
    tidying.a_deleted_run_leaves_what_others_use,
    tidying.what_no_run_uses_is_collected,
    tidying.a_use_follows_a_renamed_run,
    tidying.a_run_at_work_is_left_alone,
    processes.replies_come_from_several_event_loops,
    processes.what_was_handed_in_is_stored_by_close,
    processes.a_run_is_claimed_by_one_at_a_time,
    processes.a_claim_ends_with_its_process,
    processes.counters_outlive_their_process,
    processes.counters_add_up,
    processes.whatever_was_acknowledged_survives_a_kill,
    processes.two_processes_write_at_once,
    processes.several_processes_make_one_store,
)
