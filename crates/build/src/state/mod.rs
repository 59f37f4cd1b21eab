//! What is remembered from one build to the next, in a small database that several processes share.
//!
//! Nothing in it is needed to be right: losing the database makes the next build slower, not wrong. So it is
//! not synced to disk at every commit, and one of another version is thrown away.

mod bases;
mod blocks;
mod conversions;
mod copies;
mod downloads;
mod memos;
mod origins;
mod outlines;
mod slots;
mod steps;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

pub(crate) use downloads::Download;
pub(crate) use origins::place as place_of;
pub(crate) use outlines::Outlined;
pub(crate) use slots::SlotRecord;
pub(crate) use steps::{LayerRecord, StepRecord};

/// The version of the tables below.
const VERSION: i64 = 4;
/// How long one process waits for another that is writing.
const BUSY: Duration = Duration::from_secs(30);

const TABLES: &str = "
    CREATE TABLE steps (
        key BLOB PRIMARY KEY, result BLOB NOT NULL, layer TEXT NOT NULL, created INTEGER NOT NULL,
        used INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE slots (slot BLOB PRIMARY KEY, parts TEXT NOT NULL, files BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE memos (context TEXT PRIMARY KEY, files BLOB NOT NULL, used INTEGER NOT NULL);
    CREATE TABLE bases (
        reference TEXT NOT NULL, platform TEXT NOT NULL, manifest TEXT NOT NULL, used INTEGER NOT NULL,
        PRIMARY KEY (reference, platform)
    ) WITHOUT ROWID;
    CREATE TABLE conversions (key BLOB PRIMARY KEY, layer TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE downloads (
        url TEXT PRIMARY KEY, digest TEXT NOT NULL, etag TEXT, modified TEXT, used INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE origins (blob TEXT PRIMARY KEY, place TEXT NOT NULL, used INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE blocks (
        slot BLOB PRIMARY KEY, used INTEGER NOT NULL, blob TEXT NOT NULL, places BLOB NOT NULL
    );
    CREATE TABLE copies (key BLOB PRIMARY KEY, used INTEGER NOT NULL, diff_id TEXT NOT NULL, listing BLOB NOT NULL);
    CREATE TABLE outlines (
        diff_id TEXT PRIMARY KEY, used INTEGER NOT NULL, blob TEXT, place TEXT, names BLOB
    );
";

const DROP: &str = "
    DROP TABLE IF EXISTS steps; DROP TABLE IF EXISTS slots; DROP TABLE IF EXISTS memos;
    DROP TABLE IF EXISTS bases; DROP TABLE IF EXISTS conversions; DROP TABLE IF EXISTS downloads;
    DROP TABLE IF EXISTS origins; DROP TABLE IF EXISTS outlines;
    DROP TABLE IF EXISTS blocks; DROP TABLE IF EXISTS copies;
";

/// The database.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    connection: Mutex<Connection>,
}

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{action} the build state {}", path.display())]
pub struct StateError {
    action: &'static str,
    path: PathBuf,
    source: rusqlite::Error,
}

impl StateError {
    /// Whether the disk had no room for it.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self.source.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull))
    }
}

impl State {
    /// Opens the database at `path`, which is made when it is missing, and made anew when it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        let connection = match connect(path) {
            Err(error) if is_damaged(&error) => {
                discard(path);
                connect(path)
            }
            result => result,
        };
        let fail = |source| StateError { action: "opening", path: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection.map_err(fail)?) })
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        query(&self.lock()).map_err(|source| self.failed("reading", source))
    }

    fn write<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        query(&self.lock()).map_err(|source| self.failed("writing", source))
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // Every statement is atomic, so a panic elsewhere leaves nothing half done.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, action: &'static str, source: rusqlite::Error) -> StateError {
        StateError { action, path: self.path.clone(), source }
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    // Else the last to close it would sync the disk three times, of which a build with nothing new has no need:
    // what is committed is in the write-ahead log, and SQLite moves it over when that log has grown.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    if version(&connection)? != VERSION {
        // Another process may be doing the same, so the version counts only inside the transaction.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if version(&transaction)? != VERSION {
            transaction.execute_batch(DROP)?;
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Removes a database with the files that belong to it.
fn discard(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // What cannot be removed cannot be opened either, and that is the error to report.
        let _ = std::fs::remove_file(name);
    }
}

fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Seconds since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_database_is_made_anew() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state.db");
        std::fs::write(&path, vec![b'x'; 8192]).unwrap();
        let state = State::open(&path).unwrap();
        assert!(state.memo("/context").unwrap().is_none());
    }
}
