//! One program under supervision: its group, its pipes, its end.
//!
//! The program leads a process group of its own, so Ctrl-C of the terminal does not reach it and one signal reaches all its
//! children. One loop reads both pipes, looks at the clock and at the wish to stop; no thread is left behind, whoever holds a
//! pipe. Whatever the reason of the end, the group is gone when [`run`] returns. On Linux, children that left the group are found
//! by the variable that marks the job, and killed too.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use skyloom_engine::{CancelToken, StageError};

/// From the request to end until it is no request any more.
const GRACE: Duration = Duration::from_secs(2);

/// Name of the variable that marks the processes of a job; its value is the job's folder.
pub(crate) const MARK: &str = "SKYLOOM_JOB";

/// What to start, and its limits.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [OsString],
    pub(crate) environment: &'a [(OsString, OsString)],
    /// The job's folder: the working folder of the program.
    pub(crate) folder: &'a Path,
    pub(crate) time_limit: Duration,
    pub(crate) memory_limit: Option<u64>,
    pub(crate) cancel: &'a CancelToken,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with an exit code.
    Exited(i32),
    /// By a signal that is not ours.
    Signalled(i32),
    /// It did not end in time.
    TimedOut,
    /// The user stopped the run.
    Cancelled,
}

/// Which pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Runs a program to its end. `hear` gets what it prints, in pieces.
pub(crate) fn run(launch: &Launch<'_>, hear: &mut dyn FnMut(Stream, &[u8])) -> Result<Ended, StageError> {
    let mut child = spawn(launch)?;
    let group = Group::new(&child);
    let outcome = watch(&mut child, &group, launch, hear);
    if outcome.is_err() {
        // Nobody watches it any more.
        group.signal(Signal::KILL);
        let _ = child.wait();
    }
    outcome
}

fn watch(
    child: &mut Child,
    group: &Group,
    launch: &Launch<'_>,
    hear: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Ended, StageError> {
    if let Some(bytes) = launch.memory_limit {
        limit_memory(group.leader, bytes)?;
    }
    let mut pipes = Pipes::of(child)?;
    let start = Instant::now();
    let mut stopping: Option<(Ended, Instant)> = None;
    let status = loop {
        pipes.pump(Duration::from_millis(50), hear);
        if let Some(status) = child.try_wait().map_err(|e| StageError::io(format!("waiting for the program: {e}")))? {
            break status;
        }
        match stopping {
            None if launch.cancel.is_cancelled() => stopping = Some((Ended::Cancelled, Instant::now())),
            None if start.elapsed() >= launch.time_limit => stopping = Some((Ended::TimedOut, Instant::now())),
            None => continue,
            Some((_, since)) if since.elapsed() >= GRACE => {
                group.signal(Signal::KILL);
                continue;
            }
            Some(_) => continue,
        }
        group.signal(Signal::TERM);
    };
    group.end(stopping.map(|(_, since)| since), || pipes.pump(Duration::from_millis(10), hear));
    end_strays(launch.folder);
    pipes.drain(hear);
    Ok(stopping.map_or_else(|| ended(status), |(how, _)| how))
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
    }
}

fn spawn(launch: &Launch<'_>) -> Result<Child, StageError> {
    let mut command = Command::new(launch.program);
    command
        .args(launch.arguments)
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .env(MARK, launch.folder)
        .current_dir(launch.folder)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().map_err(|error| {
        let failure = StageError::io(format!("{} cannot be started: {error}", launch.program.display()));
        // ENOEXEC: neither a binary nor a script that names its interpreter. A shell would guess; there is none here.
        if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) {
            return failure
                .with_help("begin a script with `#!` and its interpreter, or name the interpreter in `command`");
        }
        failure
    })
}

/// Limits the data of the program, and of each child that it starts from now on. Data, not address space: what is only
/// reserved or mapped from files does not count.
#[cfg(target_os = "linux")]
fn limit_memory(leader: Pid, bytes: u64) -> Result<(), StageError> {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    // A limit that this process has itself cannot be raised.
    let own = getrlimit(Resource::Data).maximum.unwrap_or(u64::MAX);
    let limit = Some(bytes.min(own));
    match prlimit(Some(leader), Resource::Data, Rlimit { current: limit, maximum: limit }) {
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(StageError::resources(format!("the memory limit cannot be set: {error}"))),
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: Pid, _: u64) -> Result<(), StageError> {
    Ok(())
}

/// Leaders of the groups that run now.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Kills all groups that run now.
pub(crate) fn stop_all() {
    for raw in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(leader) = Pid::from_raw(*raw) {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// A program with its children.
struct Group {
    leader: Pid,
    is_over: std::cell::Cell<bool>,
}

impl Group {
    fn new(child: &Child) -> Self {
        let leader = Pid::from_child(child);
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).insert(leader.as_raw_nonzero().get());
        Self { leader, is_over: std::cell::Cell::new(false) }
    }

    fn signal(&self, signal: Signal) {
        // The only failure is that nobody is left.
        let _ = kill_process_group(self.leader, signal);
    }

    fn exists(&self) -> bool {
        test_kill_process_group(self.leader) != Err(rustix::io::Errno::SRCH)
    }

    /// Ends what is left after the leader. `asked` is the time when the group was asked to end, if it was.
    fn end(&self, asked: Option<Instant>, mut wait: impl FnMut()) {
        if self.exists() && asked.is_none() {
            self.signal(Signal::TERM);
        }
        let since = asked.unwrap_or_else(Instant::now);
        while self.exists() && since.elapsed() < GRACE {
            wait();
        }
        // Killed processes vanish as soon as their parent notes it, which is not this process: a short wait will do.
        let killed = Instant::now();
        while self.exists() && killed.elapsed() < Duration::from_millis(500) {
            self.signal(Signal::KILL);
            wait();
        }
        self.is_over.set(true);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.is_over.get() {
            // An error or a panic on the way: nobody waits for the program any more.
            self.signal(Signal::KILL);
        }
        RUNNING.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.leader.as_raw_nonzero().get());
    }
}

/// Kills processes that bear the mark of the job: children that left the group.
#[cfg(target_os = "linux")]
fn end_strays(job: &Path) {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};
    use std::os::unix::ffi::OsStrExt;
    let mark = [MARK.as_bytes(), b"=", job.as_os_str().as_bytes()].concat();
    // One that forks while it is looked for is found in the next round.
    for _ in 0..20 {
        let strays: Vec<Pid> = processes().filter(|pid| has_mark(*pid, &mark)).collect();
        if strays.is_empty() {
            return;
        }
        for pid in strays {
            // A number may have passed to another process since; what is open here is what is looked at again and killed.
            if let Ok(process) = pidfd_open(pid, PidfdFlags::empty())
                && has_mark(pid, &mark)
            {
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(not(target_os = "linux"))]
fn end_strays(_: &Path) {}

#[cfg(target_os = "linux")]
fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

/// Whether the environment with which a process was started holds the mark. That of other users cannot be read, and that of a
/// process that has ended is empty.
#[cfg(target_os = "linux")]
fn has_mark(pid: Pid, mark: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

/// The pipes that are still open.
struct Pipes {
    open: Vec<(Stream, Pipe)>,
    room: Vec<u8>,
}

enum Pipe {
    Out(std::process::ChildStdout),
    Err(std::process::ChildStderr),
}

impl Pipe {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Out(pipe) => pipe.read(room),
            Self::Err(pipe) => pipe.read(room),
        }
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Out(pipe) => pipe.as_fd(),
            Self::Err(pipe) => pipe.as_fd(),
        }
    }
}

impl Pipes {
    fn of(child: &mut Child) -> Result<Self, StageError> {
        let out = child.stdout.take().map(|pipe| (Stream::Out, Pipe::Out(pipe)));
        let err = child.stderr.take().map(|pipe| (Stream::Err, Pipe::Err(pipe)));
        let open: Vec<(Stream, Pipe)> = out.into_iter().chain(err).collect();
        for (_, pipe) in &open {
            rustix::io::ioctl_fionbio(pipe, true).map_err(|e| StageError::io(format!("a pipe to the program: {e}")))?;
        }
        Ok(Self { open, room: vec![0; 1 << 16] })
    }

    /// Waits until something is printed, at most so long, and passes it on.
    fn pump(&mut self, at_most: Duration, hear: &mut dyn FnMut(Stream, &[u8])) {
        if self.open.is_empty() {
            // Both pipes are closed, mostly because the program is about to end.
            std::thread::sleep(at_most.min(Duration::from_millis(5)));
            return;
        }
        let mut waiting: Vec<PollFd<'_>> = self.open.iter().map(|(_, pipe)| PollFd::new(pipe, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: 0, tv_nsec: at_most.subsec_nanos().into() };
        if poll(&mut waiting, Some(&timeout)).is_ok_and(|n| n > 0) {
            drop(waiting);
            // A few pieces at a time: whoever prints without end must not hide the clock.
            self.read(16, hear);
        }
    }

    /// Passes on what is left in the pipes when nobody is left to write. More than a pipe holds is somebody who is.
    fn drain(&mut self, hear: &mut dyn FnMut(Stream, &[u8])) {
        self.read(64, hear);
    }

    fn read(&mut self, pieces: usize, hear: &mut dyn FnMut(Stream, &[u8])) {
        let room = &mut self.room;
        self.open.retain_mut(|(stream, pipe)| {
            for _ in 0..pieces {
                match pipe.read(room) {
                    Ok(0) => return false,
                    Ok(n) => hear(*stream, &room[..n]),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return error.kind() == ErrorKind::WouldBlock,
                }
            }
            true
        });
    }
}
