//! Transactions on runs, their output and their events.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::tables::{Json, Result, Tables, check_idle, execute, number, optional, thread_seq};
use crate::store::StoreError;
use crate::store::object::{EventChunk, Kind, Phase};
use crate::store::run_filter::RunLabels;
use crate::store::transaction::{MessageWrite, NewRun, RunWrite};

/// The columns of a run that transactions need.
struct RunColumns {
    seq: i64,
    version: u64,
    phase: Phase,
}

impl Tables {
    pub(super) fn create_run(
        &mut self,
        connection: &Connection,
        ns: i64,
        new: &NewRun,
    ) -> Result<()> {
        let thread = match &new.new_thread {
            Some(thread) => self.create_thread(connection, ns, thread)?,
            None => {
                let thread = thread_seq(connection, ns, &new.thread)?;
                check_idle(connection, ns, thread)?;
                thread
            }
        };
        for message in &new.messages {
            self.insert_message(connection, ns, thread, None, message)?;
        }
        let seq = self.seq();
        let labels = RunLabels::read(&new.run.json);
        execute(
            connection,
            "INSERT INTO runs (seq, ns, thread, id, version, phase, expires_at, has_events, owner,
                 next_event, hidden, json, status, assistant)
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, 1, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                seq,
                ns,
                thread,
                new.run.id,
                new.phase as u8,
                new.expires_at,
                new.owner,
                number(new.next_event),
                Json(&new.run.hidden),
                Json(&new.run.json),
                labels.status,
                labels.assistant_id
            ],
        )?;
        self.insert_events(connection, ns, seq, &new.events)
    }

    pub(super) fn write_run(
        &mut self,
        connection: &Connection,
        ns: i64,
        now: i64,
        write: &RunWrite,
    ) -> Result<u64> {
        let thread = thread_seq(connection, ns, &write.thread)?;
        let run = run_columns(connection, ns, thread, &write.run)?;
        if run.version != write.version || run.phase == Phase::Ended {
            return Err(StoreError::Stale.into());
        }
        for message in &write.messages {
            if let MessageWrite::Replace { id, version, .. } = message {
                let sql = "SELECT version FROM messages WHERE ns = ?1 AND thread = ?2 AND id = ?3";
                let stored = optional(connection, sql, params![ns, thread, id])?;
                if stored != Some(number(*version)) {
                    return Err(StoreError::Stale.into());
                }
            }
        }

        for step in &write.steps {
            if step.is_new {
                execute(
                    connection,
                    "INSERT INTO steps (seq, ns, run, id, json) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![self.seq(), ns, run.seq, step.id, Json(&step.json)],
                )?;
            } else {
                execute(
                    connection,
                    "UPDATE steps SET json = ?4 WHERE ns = ?1 AND run = ?2 AND id = ?3",
                    params![ns, run.seq, step.id, Json(&step.json)],
                )?;
            }
        }
        for message in &write.messages {
            match message {
                MessageWrite::New(new) => {
                    self.insert_message(connection, ns, thread, Some(&write.run), new)?;
                }
                MessageWrite::Replace { id, json, tokens, .. } => execute(
                    connection,
                    "UPDATE messages SET json = ?4, tokens = ?5, version = version + 1
                     WHERE ns = ?1 AND thread = ?2 AND id = ?3",
                    params![ns, thread, id, Json(json), number(*tokens)],
                )?,
            }
        }
        if let Some(events) = &write.events {
            self.insert_events(connection, ns, run.seq, events)?;
        }
        let next_event = number(write.next_event);
        let Some(update) = &write.update else {
            execute(
                connection,
                "UPDATE runs SET version = version + 1, next_event = ?2 WHERE seq = ?1",
                [run.seq, next_event],
            )?;
            return Ok(run.version + 1);
        };
        let ended_at = (update.phase == Phase::Ended).then_some(now);
        execute(
            connection,
            "UPDATE runs SET version = version + 1, phase = ?2, expires_at = ?3, ended_at = ?4,
                 owner = ?5, next_event = ?6, hidden = ?7, json = ?8, status = ?9
             WHERE seq = ?1",
            params![
                run.seq,
                update.phase as u8,
                update.expires_at,
                ended_at,
                update.owner,
                next_event,
                Json(&update.hidden),
                Json(&update.json),
                RunLabels::read(&update.json).status
            ],
        )?;
        Ok(run.version + 1)
    }

    fn insert_events(
        &mut self,
        connection: &Connection,
        ns: i64,
        run: i64,
        chunk: &EventChunk,
    ) -> Result<()> {
        execute(
            connection,
            "INSERT INTO events (seq, ns, run, first, last, is_done, bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                self.seq(),
                ns,
                run,
                number(chunk.first),
                number(chunk.last),
                chunk.is_done,
                &chunk.bytes[..]
            ],
        )
    }
}

fn run_columns(connection: &Connection, ns: i64, thread: i64, id: &str) -> Result<RunColumns> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, version, phase FROM runs WHERE ns = ?1 AND thread = ?2 AND id = ?3",
    )?;
    let run = statement
        .query_row(params![ns, thread, id], |row| {
            Ok(RunColumns {
                seq: row.get(0)?,
                version: row.get::<_, i64>(1)?.unsigned_abs(),
                phase: Phase::from_number(row.get(2)?),
            })
        })
        .optional()?;
    Ok(run.ok_or_else(|| StoreError::missing(Kind::Run, id))?)
}
