//! Which status of a run may follow which, and what a change of status sets.

use runstep_api::types::{Run, RunStatus};

/// The statuses that may follow one; none after a terminal one.
pub(crate) fn next(status: &RunStatus) -> &'static [RunStatus] {
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

/// Whether a run with this status has ended.
pub(crate) fn is_terminal(status: &RunStatus) -> bool {
    next(status).is_empty()
}

/// Whether one status may follow another.
pub(super) fn allows(from: &RunStatus, to: &RunStatus) -> bool {
    next(from).contains(to)
}

/// A change that the table does not have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IllegalTransition;

/// Changes a run's status, and the times that go with it.
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

    #[test]
    fn the_table_is_what_changes_obey() {
        for from in &ALL {
            for to in &ALL {
                let mut run = Run::new("run_1", 0, "thread_1", from.clone());
                run.expires_at = Some(600);
                let changed = transition(&mut run, to.clone(), 7);
                assert_eq!(changed.is_ok(), next(from).contains(to), "{from} to {to}");
                assert_eq!(run.status, if changed.is_ok() { to.clone() } else { from.clone() });
                if changed.is_ok() {
                    assert_eq!(run.expires_at.is_none(), is_terminal(to), "{to}");
                }
            }
        }
    }

    #[test]
    fn times_are_set_when_they_happen() {
        let mut run = Run::new("run_1", 0, "thread_1", RunStatus::Queued);
        transition(&mut run, RunStatus::InProgress, 1).unwrap();
        transition(&mut run, RunStatus::RequiresAction, 2).unwrap();
        transition(&mut run, RunStatus::Queued, 3).unwrap();
        transition(&mut run, RunStatus::InProgress, 4).unwrap();
        transition(&mut run, RunStatus::Completed, 5).unwrap();
        assert_eq!((run.started_at, run.completed_at, run.failed_at), (Some(1), Some(5), None));
    }
}
