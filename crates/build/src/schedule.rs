//! Works through tasks that depend on one another, several at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Runs `work` for every task, each after those it needs, on `workers` threads. `needs` lists for each task
/// the tasks it needs, which come before it. After a failure nothing new is started.
///
/// # Errors
/// The first failure.
pub(crate) fn run<E: Send>(
    needs: &[Vec<usize>],
    workers: usize,
    work: &(dyn Fn(usize) -> Result<(), E> + Sync),
) -> Result<(), E> {
    let board = Board::new(needs);
    std::thread::scope(|scope| {
        for _ in 0..workers.max(1).min(needs.len()) {
            scope.spawn(|| {
                let _guard = Guard(&board);
                while let Some(task) = board.take() {
                    board.done(task, work(task));
                }
            });
        }
    });
    let state = board.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.failure.map_or(Ok(()), Err)
}

/// Sends the other workers home when this one panics.
struct Guard<'a, E>(&'a Board<E>);

impl<E> Drop for Guard<'_, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().unfinished = 0;
            self.0.changed.notify_all();
        }
    }
}

struct Board<E> {
    /// For each task, the tasks that need it.
    needed_by: Vec<Vec<usize>>,
    state: Mutex<State<E>>,
    changed: Condvar,
}

struct State<E> {
    /// For each task, how many of its needs are not done.
    waiting_for: Vec<usize>,
    ready: VecDeque<usize>,
    unfinished: usize,
    failure: Option<E>,
}

impl<E> Board<E> {
    fn new(needs: &[Vec<usize>]) -> Self {
        let mut needed_by = vec![Vec::new(); needs.len()];
        for (task, needs) in needs.iter().enumerate() {
            needs.iter().for_each(|need| needed_by[*need].push(task));
        }
        let waiting_for: Vec<usize> = needs.iter().map(Vec::len).collect();
        let ready = (0..needs.len()).filter(|task| waiting_for[*task] == 0).collect();
        let state = State { waiting_for, ready, unfinished: needs.len(), failure: None };
        Self { needed_by, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The next task; `None` when there will be none.
    fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.unfinished == 0 || state.failure.is_some() {
                return None;
            }
            if let Some(task) = state.ready.pop_front() {
                return Some(task);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, task: usize, result: Result<(), E>) {
        let mut state = self.lock();
        state.unfinished -= 1;
        match result {
            Ok(()) => {
                for next in &self.needed_by[task] {
                    state.waiting_for[*next] -= 1;
                    if state.waiting_for[*next] == 0 {
                        state.ready.push_back(*next);
                    }
                }
            }
            Err(error) => drop(state.failure.get_or_insert(error)),
        }
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<E>> {
        // A panic in `work` happens outside the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn each_task_runs_once_and_after_its_needs() {
        let needs = vec![vec![], vec![0], vec![0], vec![1, 2], vec![], vec![3, 4]];
        let order = Mutex::new(Vec::new());
        run(&needs, 3, &|task| {
            order.lock().unwrap().push(task);
            Ok::<(), ()>(())
        })
        .unwrap();
        let order = order.into_inner().unwrap();
        assert_eq!(order.len(), needs.len());
        let place = |task: usize| order.iter().position(|done| *done == task).unwrap();
        for (task, needs) in needs.iter().enumerate() {
            assert!(needs.iter().all(|need| place(*need) < place(task)), "{order:?}");
        }
    }

    #[test]
    fn independent_tasks_run_at_the_same_time() {
        let barrier = Barrier::new(2); // waits for ever unless both are there
        run(&[vec![], vec![]], 2, &|_| {
            barrier.wait();
            Ok::<(), ()>(())
        })
        .unwrap();
    }

    #[test]
    fn nothing_is_started_after_a_failure() {
        let started = Mutex::new(Vec::new());
        let result = run(&[vec![], vec![0], vec![1]], 2, &|task| {
            started.lock().unwrap().push(task);
            if task == 1 { Err("no") } else { Ok(()) }
        });
        assert_eq!(result, Err("no"));
        assert_eq!(started.into_inner().unwrap(), [0, 1]);
    }
}
