//! Notes which of a connection's tasks `h2` wants to be polled again. Polls nothing itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// The tasks of one connection: the connection itself, and streams by slot.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    woken: Arc<Mutex<Vec<Task>>>,
    connection: Option<Waker>,
    streams: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Connection,
    /// In this slot.
    Stream(usize),
}

/// What h2 holds of a task.
struct TaskWaker {
    task: Task,
    woken: Arc<Mutex<Vec<Task>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

impl Tasks {
    fn new_waker(&self, task: Task) -> Waker {
        Waker::from(Arc::new(TaskWaker { task, woken: Arc::clone(&self.woken) }))
    }

    /// Returns the waker of the connection's own task.
    pub(super) fn connection(&mut self) -> Waker {
        match &self.connection {
            Some(waker) => waker.clone(),
            None => self.connection.insert(self.new_waker(Task::Connection)).clone(),
        }
    }

    /// Returns the waker of the stream in a slot.
    pub(super) fn stream(&mut self, slot: usize) -> Waker {
        while self.streams.len() <= slot {
            self.streams.push(self.new_waker(Task::Stream(self.streams.len())));
        }
        self.streams[slot].clone()
    }

    /// Puts the tasks that were woken since the last call into the empty `woken`; some may be there twice.
    pub(super) fn take_woken(&self, woken: &mut Vec<Task>) {
        debug_assert!(woken.is_empty());
        std::mem::swap(woken, &mut self.woken.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn woken_tasks_are_told_once() {
        let mut tasks = Tasks::default();
        tasks.stream(2).wake();
        tasks.connection().wake_by_ref();
        let mut woken = Vec::new();
        tasks.take_woken(&mut woken);
        assert_eq!(woken, [Task::Stream(2), Task::Connection]);
        woken.clear();
        tasks.take_woken(&mut woken);
        assert!(woken.is_empty());
    }
}
