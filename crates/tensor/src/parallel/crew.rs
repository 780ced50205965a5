//! A crew of threads that share the tasks of one job, stay awake for a moment after it, and then sleep.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread without work keeps looking for some: longer than the gaps between a training's products, and long
/// enough for the system to move a thread that it woke beside the one that calls to a core that is free.
const AWAKE: Duration = Duration::from_millis(1);
/// How long it does so without letting others have the core.
const ALONE: Duration = Duration::from_micros(20);
/// Looks between two looks at the clock.
const LOOKS: u32 = 64;

/// Calls `f(i)` for every `i` below `tasks`, on the threads that the caller may use; returns when all are done.
///
/// Which thread does which task is left to chance; a result must not depend on it. Called from within a task, or while
/// another thread has the crew at work, it does all tasks itself.
pub fn tasks(tasks: usize, f: impl Fn(usize) + Sync) {
    share(tasks, &f);
}

/// A job: behind a reference, so that all that is done with it is compiled once and not for each closure.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

fn share(tasks: usize, f: Job<'_>) {
    let threads = rayon::current_num_threads();
    if tasks < 2 || threads < 2 || WORKS.get() {
        return (0..tasks).for_each(f);
    }
    let own = OWN.with(|own| own.borrow().clone());
    match own {
        Some(crew) => crew.run(tasks, f),
        // A worker of another pool has its share of the cores already.
        None if rayon::current_thread_index().is_some() => (0..tasks).for_each(f),
        None => ALL.get_or_init(|| Crew::new(threads)).run(tasks, f),
    }
}

/// The crew of everyone who has none of their own.
static ALL: OnceLock<Crew> = OnceLock::new();

thread_local! {
    /// Whether this is a worker of a crew: what it does in a task is its own, whatever else is idle.
    static WORKS: Cell<bool> = const { Cell::new(false) };
    static OWN: RefCell<Option<Arc<Crew>>> = const { RefCell::new(None) };
}

/// Runs `f` with a crew of its own, which is dismissed afterwards.
pub(super) fn with_crew<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<Arc<Crew>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OWN.with(|own| *own.borrow_mut() = self.0.take());
        }
    }
    let before = OWN.with(|own| own.borrow_mut().replace(Arc::new(Crew::new(threads))));
    let _restore = Restore(before);
    f()
}

/// The threads beside the one that calls.
struct Crew {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    /// Held by the thread whose job it is.
    busy: Mutex<()>,
}

/// What the caller and the workers see of a job.
///
/// Every thread has a share of neighbouring tasks, the same one at every job of a size, so that it finds in its cache
/// what it left there; who is done helps the others. A ticket holds the number of the job in its upper half and the next
/// task of the share in its lower half, so that a task can only be taken from the job that was looked at. The other fields
/// are written while the number is odd, which no worker takes a task under.
struct Shared {
    tickets: Vec<Ticket>,
    /// Where the [`Job`] itself is.
    closure: AtomicPtr<()>,
    tasks: AtomicUsize,
    done: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleeping: Vec<AtomicBool>,
    dismissed: AtomicBool,
}

/// A counter with a cache line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Ticket(AtomicU64);

fn job(ticket: u64) -> u64 {
    ticket >> 32
}

fn task(ticket: u64) -> usize {
    (ticket & u64::from(u32::MAX)) as usize
}

impl Ticket {
    /// The number of a task that this thread alone has now, if job `number` is under way and has one left before `end`.
    fn take(&self, number: u64, end: usize) -> Option<usize> {
        let mut ticket = self.0.load(Ordering::Acquire);
        loop {
            if job(ticket) != number || task(ticket) >= end {
                return None;
            }
            match self.0.compare_exchange_weak(ticket, ticket + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(task(ticket)),
                Err(now) => ticket = now,
            }
        }
    }
}

impl Crew {
    /// A crew of `threads` including the one that calls; of fewer where the system gives no more.
    fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            tickets: (0..threads).map(|_| Ticket::default()).collect(),
            closure: AtomicPtr::default(),
            tasks: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            panic: Mutex::new(None),
            sleeping: (1..threads).map(|_| AtomicBool::new(false)).collect(),
            dismissed: AtomicBool::new(false),
        });
        let workers = (1..threads).map_while(|i| {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("kniff-{i}")).spawn(move || shared.work(i - 1)).ok()
        });
        let workers = workers.collect();
        Self { shared, workers, busy: Mutex::new(()) }
    }

    fn run(&self, tasks: usize, f: Job<'_>) {
        let claim = match self.busy.try_lock() {
            Ok(claim) => claim,
            // Nothing is left half-done by a panic under this lock: it is handed on after the job's end.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return (0..tasks).for_each(f),
        };
        // Tasks are counted in half a word.
        let most = u32::MAX as usize / 2;
        for first in (0..tasks).step_by(most) {
            let some = most.min(tasks - first);
            self.shared.start(some, &|i: usize| f(first + i), &self.workers);
        }
        drop(claim);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.shared.dismissed.store(true, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches what its tasks panic with.
            let _ = worker.join();
        }
    }
}

impl Shared {
    /// Publishes a job, takes part in it and waits for its end.
    fn start(&self, tasks: usize, f: Job<'_>, workers: &[JoinHandle<()>]) {
        let number = job(self.tickets[0].0.load(Ordering::Relaxed));
        self.tickets.iter().for_each(|t| t.0.store((number + 1) << 32, Ordering::SeqCst));
        // Release: who sees one of these sees that the old job is closed.
        self.closure.store(std::ptr::from_ref(&f).cast_mut().cast(), Ordering::Release);
        self.tasks.store(tasks, Ordering::Release);
        self.done.store(0, Ordering::Release);
        // The number wraps after 2^32 jobs; none sleeps through so many with a ticket in hand.
        let number = (number + 2) & u64::from(u32::MAX);
        for (share, ticket) in self.tickets.iter().enumerate() {
            ticket.0.store(number << 32 | self.first(share, tasks) as u64, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        for (asleep, worker) in self.sleeping.iter().zip(workers).take(tasks - 1) {
            if asleep.swap(false, Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
        self.take_part(0, number, tasks, std::ptr::from_ref(&f).cast());
        let mut looks = 0u32;
        while self.done.load(Ordering::Acquire) < tasks {
            looks += 1;
            // A worker may be waiting for this very core.
            if looks.is_multiple_of(4 * LOOKS) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        let panic = self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// The first task of a share.
    fn first(&self, share: usize, tasks: usize) -> usize {
        // At most 2^31 tasks, and the shares are few.
        (share as u64 * tasks as u64 / self.tickets.len() as u64) as usize
    }

    /// Does tasks of a job until none is left, those of the own share first.
    fn take_part(&self, me: usize, number: u64, tasks: usize, closure: *const Job<'_>) {
        let shares = self.tickets.len();
        for share in (me..shares).chain(0..me) {
            let end = self.first(share + 1, tasks);
            while let Some(task) = self.tickets[share].take(number, end) {
                // SAFETY: the task was taken from job `number`, whose closure this is; `start` does not return, and the
                // closure lives, until this task is counted as done.
                let result = catch_unwind(AssertUnwindSafe(|| unsafe { (*closure)(task) }));
                if let Err(panic) = result {
                    self.panic.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(panic);
                }
                self.done.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// The life of a worker.
    fn work(&self, me: usize) {
        WORKS.set(true);
        // The first share is that of the thread that calls.
        let share = me + 1;
        let mut last = 0;
        while let Some(number) = self.next_job(me, share, last) {
            last = number;
            let closure = self.closure.load(Ordering::Acquire).cast_const();
            let tasks = self.tasks.load(Ordering::Acquire);
            // If these two are not of job `number`, then that job was closed before they were written, and
            // `take_part` will get no task of it.
            self.take_part(share, number, tasks, closure.cast());
        }
    }

    /// Waits for a job other than `last`; `None` when the crew is dismissed.
    fn next_job(&self, me: usize, share: usize, last: u64) -> Option<u64> {
        let open = |ticket: u64| {
            let number = job(ticket);
            (number != last && number.is_multiple_of(2)).then_some(number)
        };
        let ticket = &self.tickets[share].0;
        let mut since = Instant::now();
        let mut looks = 0u32;
        loop {
            if let Some(number) = open(ticket.load(Ordering::Acquire)) {
                return Some(number);
            }
            std::hint::spin_loop();
            looks += 1;
            if !looks.is_multiple_of(LOOKS) {
                continue;
            }
            let idle = since.elapsed();
            if idle < AWAKE {
                if idle > ALONE {
                    std::thread::yield_now();
                }
                continue;
            }
            self.sleeping[me].store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            // A job that was published before the flag could be seen wakes no one: look again.
            while self.sleeping[me].load(Ordering::SeqCst) {
                if self.dismissed.load(Ordering::SeqCst) {
                    return None;
                }
                if open(ticket.load(Ordering::SeqCst)).is_some() {
                    self.sleeping[me].store(false, Ordering::SeqCst);
                    break;
                }
                std::thread::park();
            }
            since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn each_once(crew: &Crew, n: usize) {
        let counts: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
        crew.run(n, &|i: usize| {
            counts[i].fetch_add(1, Ordering::Relaxed);
        });
        assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn every_task_is_done_once_awake_or_asleep() {
        let crew = Crew::new(4);
        for n in [1, 2, 3, 100] {
            for _ in 0..2000 {
                each_once(&crew, n);
            }
            std::thread::sleep(2 * AWAKE);
            each_once(&crew, n);
        }
    }

    #[test]
    fn a_task_and_another_thread_may_ask_for_tasks() {
        let crew = Crew::new(3);
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        crew.run(5, &|i: usize| {
                            crew.run(3, &|j: usize| {
                                sum.fetch_add(i * 3 + j, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 200 * (0..15).sum::<usize>());
    }

    #[test]
    fn a_task_within_a_task_stays_on_its_thread() {
        let crew = Crew::new(3);
        crew.run(30, &|_| {
            let here = std::thread::current().id();
            let elsewhere = AtomicUsize::new(0);
            // The caller's own crew is at work; a worker has none to ask.
            if WORKS.get() {
                tasks(8, |_| {
                    elsewhere.fetch_add(usize::from(std::thread::current().id() != here), Ordering::Relaxed);
                });
            }
            std::thread::sleep(Duration::from_micros(200));
            assert_eq!(elsewhere.into_inner(), 0);
        });
    }

    #[test]
    fn a_panic_comes_through_after_the_others_and_the_crew_goes_on() {
        let crew = Crew::new(3);
        let done = AtomicUsize::new(0);
        let run = || {
            crew.run(20, &|i: usize| {
                assert!(i != 7, "task seven");
                done.fetch_add(1, Ordering::Relaxed);
            });
        };
        let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("task seven")));
        assert_eq!(done.into_inner(), 19);
        each_once(&crew, 50);
    }
}
