//! Which files a configuration comes from, and when one of them has changed.
//!
//! Directories are watched and not files: editors and Kubernetes put a new file in the place of the old one.
//! An event is only a reason to look; whether something has changed, the files themselves say.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway_config::{Auth, Loaded};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Files must have been left alone for this long: what is half written is read by nobody.
const QUIET: Duration = Duration::from_millis(200);

/// So often they are looked at after all: whoever writes all the time must not be waited for.
const LOOKS: usize = 10;

/// Not every file system tells of changes (NFS), nor of those further up the path.
const POLL: Duration = Duration::from_secs(30);

/// What tells whether a file is still the same; `None`: it is not there.
type Stamp = Option<[i64; 6]>;

/// The files of a configuration, watched.
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
    watcher: Option<RecommendedWatcher>,
    events: Arc<Notify>,
}

impl Watch {
    /// Watches the files that a configuration was read from; nothing where it came from no file. The fault
    /// says why they are only looked at every now and then.
    pub(crate) fn of(loaded: &Loaded) -> (Self, Option<notify::Error>) {
        let events = Arc::new(Notify::new());
        let bell = events.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Whoever only reads them changes nothing, we ourselves least of all.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                bell.notify_one();
            }
        });
        let (watcher, fault) = match watcher {
            Ok(watcher) => (Some(watcher), None),
            Err(fault) => (None, Some(fault)),
        };
        let mut watch = Self { files: Vec::new(), seen: Vec::new(), watcher, events };
        let fault = watch.look_at(loaded).or(fault);
        (watch, fault)
    }

    /// Watches other files from now on.
    pub(crate) fn look_at(&mut self, loaded: &Loaded) -> Option<notify::Error> {
        let files = files_of(loaded);
        self.seen = files.iter().map(|file| self.seen_of(file)).collect();
        self.files = files;
        let watcher = self.watcher.as_mut()?;
        let mut fault = None;
        for directory in directories(&self.files) {
            // Again also where it is watched: it may be another one by now.
            if let Err(err) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
                fault = Some(err);
            }
        }
        fault
    }

    /// The files are about to be read: only what happens from now on is a change.
    pub(crate) fn begin(&mut self) {
        self.seen = self.stamps();
    }

    /// What was last seen of a file: a change since then is still to be told.
    fn seen_of(&self, file: &Path) -> Stamp {
        let known = self.files.iter().position(|known| known == file);
        known.map_or_else(|| stamp(file), |at| self.seen[at])
    }

    /// Ready when one of the files has another content, or may have.
    pub(crate) async fn changed(&mut self) {
        loop {
            let mut now = self.stamps();
            if now == self.seen {
                // An event, or the time to look.
                let _ = timeout(POLL, self.events.notified()).await;
                continue;
            }
            for _ in 0..LOOKS {
                sleep(QUIET).await;
                let later = self.stamps();
                if later == now {
                    break;
                }
                now = later;
            }
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.files.iter().map(|file| stamp(file)).collect()
    }
}

fn stamp(file: &Path) -> Stamp {
    let meta = fs::metadata(file).ok()?;
    let number = |number: u64| number.cast_signed();
    let (device, inode, size) = (number(meta.dev()), number(meta.ino()), number(meta.size()));
    Some([device, inode, size, meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec()])
}

/// All files that a configuration depends on; none if there is no file of its own.
fn files_of(loaded: &Loaded) -> Vec<PathBuf> {
    let Some(file) = loaded.file.as_ref().filter(|file| is_readable_again(file)) else {
        return Vec::new();
    };
    let mut files = vec![file.clone(), file.with_file_name(".env")];
    files.extend(loaded.files.iter().cloned());
    if let Some(tls) = &loaded.config.server.tls {
        files.extend([tls.cert.clone(), tls.key.clone()]);
        files.extend(tls.client_ca.clone());
    }
    for provider in &loaded.config.providers {
        files.extend(provider.ca_file.clone());
        if let Auth::Google(google) = &provider.auth {
            files.extend(google.file.clone());
        }
    }
    files
}

/// Whether a file can be read a second time: a pipe can't.
pub(crate) fn is_readable_again(file: &Path) -> bool {
    // One that is not there may come back.
    fs::metadata(file).map_or(true, |meta| meta.is_file())
}

/// Where changes of these files happen: their own directories, and those that links lead to.
fn directories(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let real = files.iter().filter_map(|file| fs::canonicalize(file).ok());
    let all = files.iter().cloned().chain(real);
    let parents = all.filter_map(|file| file.parent().map(Path::to_owned));
    parents.filter(|directory| directory.is_dir()).collect()
}
