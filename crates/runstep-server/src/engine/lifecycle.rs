//! The state machine of a run's status.

use runstep_api::types::{Run, RunStatus};

/// Returns the statuses that can follow a status. A terminal status has none.
fn next(status: &RunStatus) -> &'static [RunStatus] {
    use RunStatus::{
        Cancelled, Cancelling, Completed, Expired, Failed, InProgress, Incomplete, Queued,
        RequiresAction,
    };
    match status {
        Queued => &[InProgress, Cancelling, Expired, Failed],
        InProgress => &[RequiresAction, Completed, Failed, Incomplete, Expired, Cancelling],
        RequiresAction => &[Queued, Expired, Cancelling],
        Cancelling => &[Cancelled],
        _ => &[],
    }
}

/// Returns whether a run with this status has ended.
pub(super) fn is_terminal(status: &RunStatus) -> bool {
    next(status).is_empty()
}

/// Returns whether a run can change from one status to another.
pub(super) fn allows(from: &RunStatus, to: &RunStatus) -> bool {
    next(from).contains(to)
}

/// The error that a run cannot change to a status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IllegalTransition;

/// Changes the status of a run and the fields that depend on it.
pub(crate) fn transition(run: &mut Run, to: RunStatus, now: i64) -> Result<(), IllegalTransition> {
    if !allows(&run.status, &to) {
        return Err(IllegalTransition);
    }
    match to {
        RunStatus::InProgress => run.started_at = run.started_at.or(Some(now)),
        RunStatus::Completed | RunStatus::Incomplete => run.completed_at = Some(now),
        RunStatus::Failed => run.failed_at = Some(now),
        RunStatus::Cancelled => run.cancelled_at = Some(now),
        _ => {}
    }
    if to != RunStatus::RequiresAction {
        run.required_action = None;
    }
    if is_terminal(&to) {
        run.expires_at = None;
    }
    run.status = to;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [RunStatus; 9] = [
        RunStatus::Queued,
        RunStatus::InProgress,
        RunStatus::RequiresAction,
        RunStatus::Cancelling,
        RunStatus::Cancelled,
        RunStatus::Failed,
        RunStatus::Completed,
        RunStatus::Incomplete,
        RunStatus::Expired,
    ];

    /// For each status the statuses that can follow it, in the order of `ALL`.
    const MATRIX: [[u8; 9]; 9] = [
        // queued, in_progress, requires_action, cancelling, cancelled, failed, completed,
        // incomplete, expired
        [0, 1, 0, 1, 0, 1, 0, 0, 1], // queued
        [0, 0, 1, 1, 0, 1, 1, 1, 1], // in_progress
        [1, 0, 0, 1, 0, 0, 0, 0, 1], // requires_action
        [0, 0, 0, 0, 1, 0, 0, 0, 0], // cancelling
        [0, 0, 0, 0, 0, 0, 0, 0, 0], // cancelled
        [0, 0, 0, 0, 0, 0, 0, 0, 0], // failed
        [0, 0, 0, 0, 0, 0, 0, 0, 0], // completed
        [0, 0, 0, 0, 0, 0, 0, 0, 0], // incomplete
        [0, 0, 0, 0, 0, 0, 0, 0, 0], // expired
    ];

    fn run(status: RunStatus) -> Run {
        Run::new("run_1", 0, "thread_1", "asst_1", status, "model", "", Vec::new(), true)
    }

    #[test]
    fn only_transitions_of_the_matrix_change_a_run() {
        for (from, row) in ALL.iter().zip(MATRIX) {
            for (to, allowed) in ALL.iter().zip(row) {
                let mut run = run(from.clone());
                run.expires_at = Some(600);
                let before = run.clone();
                let changed = transition(&mut run, to.clone(), 7);
                assert_eq!(changed.is_ok(), allowed == 1, "{from} to {to}");
                if changed.is_ok() {
                    assert_eq!(run.status, *to);
                    let is_terminal = !matches!(
                        to,
                        RunStatus::Queued
                            | RunStatus::InProgress
                            | RunStatus::RequiresAction
                            | RunStatus::Cancelling
                    );
                    assert_eq!(run.expires_at.is_none(), is_terminal, "{to}");
                } else {
                    assert_eq!(run, before);
                }
            }
        }
    }

    #[test]
    fn timestamps_are_set_on_the_first_transition_only() {
        let mut run = run(RunStatus::Queued);
        transition(&mut run, RunStatus::InProgress, 1).unwrap();
        transition(&mut run, RunStatus::RequiresAction, 2).unwrap();
        transition(&mut run, RunStatus::Queued, 3).unwrap();
        transition(&mut run, RunStatus::InProgress, 4).unwrap();
        transition(&mut run, RunStatus::Completed, 5).unwrap();
        assert_eq!((run.started_at, run.completed_at, run.failed_at), (Some(1), Some(5), None));
    }
}
