//! The binary as a service: its configuration changes, signals come, a service manager wants to know, and
//! one process follows another. Needs no client but where it says so.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gateway_testkit::{BodyEnd, Gate, RawClient, Script, Upstream, fixtures, request};
use serde_json::json;
use tempfile::TempDir;

use crate::claude::Claude;
use crate::harness::{Gateway, LONG, PROVIDER_KEY, binary, block_on, command, config};
use crate::model::{Reply, anthropic};
use crate::observe::poll;

const OK: &str = r#"{"type":"message"}"#;
const KEY: &str = "api_key_env_var: ANTHROPIC_API_KEY";
const BODY: &[u8] = br#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[]}"#;

fn prompt() -> Upstream {
    Upstream::start(|_| Script::json(200, OK))
}

fn addr(gateway: &Gateway) -> SocketAddr {
    gateway.url().trim_start_matches("http://").parse().expect("an address")
}

/// Asks once; the status.
fn ask(gateway: &Gateway) -> u16 {
    ask_at(addr(gateway))
}

fn ask_at(addr: SocketAddr) -> u16 {
    block_on(async {
        let mut client = RawClient::connect(addr).await;
        client.send(&request("POST", "/v1/messages", &[], BODY)).await;
        client.reply().await.0.status
    })
}

/// A gateway with a file that is its own.
fn with_file(file: &Path, dir: &Arc<TempDir>) -> Gateway {
    let mut command = command(dir.path());
    command.args(["gateway", "--port", "0", "--config"]).arg(file);
    command.env("ANTHROPIC_API_KEY", PROVIDER_KEY);
    Gateway::spawn(command, dir.clone())
}

fn directory() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary directory"))
}

#[test]
fn a_file_that_is_written_or_put_in_place_is_read_and_a_broken_one_is_not_obeyed() {
    let upstreams = [prompt(), prompt(), prompt()];
    let gateway = Gateway::to(&upstreams[0]);
    let file = gateway.dir().join("gateway.yaml");
    assert_eq!(ask(&gateway), 200);

    // In place, as `cat >` does.
    fs::write(&file, config(&upstreams[1], KEY, "")).expect("written");
    gateway.until_said("configuration reloaded: replaced anthropic");
    assert_eq!(ask(&gateway), 200);

    let broken = format!("{}servr:\n  port: 1\n", config(&upstreams[2], KEY, ""));
    fs::write(&file, broken).expect("written");
    let fault = gateway.until_said("the configuration can't be used");
    let line = 1 + config(&upstreams[2], KEY, "").lines().count();
    assert!(fault.contains(&format!("gateway.yaml:{line}:1: ")), "{fault}");
    assert!(fault.contains("servr") && fault.contains("`server`"), "{fault}");
    gateway.until_said("the old configuration stays");
    assert_eq!(ask(&gateway), 200);

    // A new file under the old name, as editors do.
    let draft = gateway.dir().join(".gateway.yaml.swp");
    fs::write(&draft, config(&upstreams[2], KEY, "")).expect("written");
    fs::rename(&draft, &file).expect("renamed");
    gateway.until_said("configuration reloaded: replaced anthropic");
    assert_eq!(ask(&gateway), 200);
    assert_eq!(upstreams.each_ref().map(|upstream| upstream.requests().len()), [1, 2, 1]);

    // Gone is broken, too; and it may come back.
    fs::rename(&file, &draft).expect("renamed");
    assert!(gateway.until_said("can't be used").contains("does not exist"));
    fs::rename(&draft, &file).expect("renamed");
    gateway.until_said("configuration reloaded: nothing has changed");
    assert_eq!(ask(&gateway), 200);
}

/// Kubernetes: the file is a link through a link to a directory, and the latter is exchanged.
#[test]
fn a_mounted_config_map_is_read_when_its_link_is_exchanged() {
    let (old, new) = (prompt(), prompt());
    let dir = directory();
    let mount = dir.path().join("etc");
    let version = |name: &str, upstream: &Upstream| {
        fs::create_dir_all(mount.join(name)).expect("a directory");
        let file = mount.join(name).join("gateway.yaml");
        fs::write(file, config(upstream, KEY, "")).expect("written");
        std::os::unix::fs::symlink(name, mount.join("..data_tmp")).expect("a link");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("renamed");
    };
    version("..2026_1", &old);
    let file = mount.join("gateway.yaml");
    std::os::unix::fs::symlink("..data/gateway.yaml", &file).expect("a link");
    let gateway = with_file(&file, &dir);
    assert_eq!(ask(&gateway), 200);
    version("..2026_2", &new);
    fs::remove_dir_all(mount.join("..2026_1")).expect("removed");
    gateway.until_said("configuration reloaded: replaced anthropic");
    assert_eq!(ask(&gateway), 200);
    assert_eq!((old.requests().len(), new.requests().len()), (1, 1));
}

/// A key that is kept elsewhere, and variables beside the file.
#[test]
fn files_that_a_configuration_refers_to_count_as_well() {
    let upstream = prompt();
    let dir = directory();
    let secrets = dir.path().join("secrets");
    fs::create_dir(&secrets).expect("a directory");
    let key = secrets.join("key");
    fs::write(&key, "key-of-the-file-1").expect("written");
    let etc = dir.path().join("etc");
    fs::create_dir(&etc).expect("a directory");
    let file = etc.join("gateway.yaml");
    let reference =
        format!("api_key: ${{file:{}}}\n    default_model: ${{MODEL:-none}}", key.display());
    fs::write(&file, config(&upstream, &reference, "")).expect("written");
    let gateway = with_file(&file, &dir);
    assert_eq!(ask(&gateway), 200);

    fs::write(&key, "key-of-the-file-2").expect("written");
    gateway.until_said("configuration reloaded: replaced anthropic");
    assert_eq!(ask(&gateway), 200);
    let keys: Vec<_> =
        upstream.requests().iter().map(|r| r.header("x-api-key").map(ToOwned::to_owned)).collect();
    let planted = |number: u8| Some(format!("key-of-the-file-{number}"));
    assert_eq!(keys, [planted(1), planted(2)]);

    fs::write(etc.join(".env"), "MODEL=another\n").expect("written");
    gateway.until_said("configuration reloaded: changed anthropic");
    assert!(!gateway.log().contains("key-of-the-file"));
}

#[test]
fn sighup_reads_the_configuration_and_says_what_came_of_it() {
    let upstream = prompt();
    let dir = directory();
    let mut command = command(dir.path());
    command.args(["gateway", "--port", "0"]).env("ANTHROPIC_API_KEY", PROVIDER_KEY);
    // Without a file there is nothing to watch.
    let gateway = Gateway::spawn(command, dir.clone());
    gateway.signal("HUP");
    gateway.until_said("configuration reloaded: nothing has changed");
    fs::write(dir.path().join("gateway.yaml"), config(&upstream, KEY, "")).expect("written");
    gateway.signal("HUP");
    gateway.until_said("configuration reloaded: replaced anthropic");
    assert_eq!(ask(&gateway), 200);

    // The port was an option, which stays; the host is for the next process.
    let elsewhere = config(&upstream, KEY, "server: {host: 0.0.0.0, port: 9}\n");
    fs::write(dir.path().join("gateway.yaml"), elsewhere).expect("written");
    gateway.signal("HUP");
    gateway.until_said("needs a restart: server.host");
    assert!(!gateway.log().contains("server.port"));
    assert_eq!(ask(&gateway), 200);
}

/// Somebody else may not get in because a key was taken out of the file.
#[test]
fn an_address_that_others_reach_always_has_a_key() {
    let upstream = prompt();
    let open = config(&upstream, KEY, "server: {host: 0.0.0.0}\n");
    let gateway = Gateway::with(&open, &[]);
    gateway.until_said("callers need the key in");
    let said = gateway.until_said("ANTHROPIC_BASE_URL=");
    let addr = said.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
    let addr = addr.and_then(|addr| addr.parse().ok()).expect("an address");
    assert_eq!(ask_at(addr), 401);
    let file = gateway.dir().join("gateway.yaml");
    fs::write(&file, config(&upstream, KEY, "server: {host: 127.0.0.1, shutdown_grace: 7}\n"))
        .expect("written");
    gateway.until_said("needs a restart: server.host");
    assert_eq!(ask_at(addr), 401);
}

#[test]
fn a_service_manager_is_told_what_is_going_on() {
    let upstream = prompt();
    let dir = directory();
    let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
    socket.set_read_timeout(Some(LONG)).expect("a limit");
    let heard = || {
        let mut bytes = [0; 4096];
        let len = socket.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    };
    let has = |message: &str, line: &str| message.lines().any(|said| said == line);
    let file = dir.path().join("gateway.yaml");
    fs::write(&file, config(&upstream, KEY, "")).expect("written");
    let mut command = command(dir.path());
    command.args(["gateway", "--port", "0", "--config"]).arg(&file);
    command.env("ANTHROPIC_API_KEY", PROVIDER_KEY);
    command.env("NOTIFY_SOCKET", dir.path().join("notify"));
    let mut gateway = Gateway::spawn(command, dir.clone());
    let ready = heard();
    assert!(has(&ready, "READY=1"), "{ready}");
    assert_eq!(ask(&gateway), 200, "ready is ready");

    for (yaml, status) in [
        (config(&upstream, KEY, ""), "STATUS=serving"),
        (
            "providers: 1\n".to_owned(),
            "STATUS=serving by the old configuration: the new one has faults, see the log",
        ),
    ] {
        fs::write(&file, yaml).expect("written");
        gateway.signal("HUP");
        loop {
            let (reloading, ready) = (heard(), heard());
            assert!(has(&reloading, "RELOADING=1"), "{reloading}");
            let since = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
            let since = since.and_then(|at| at.parse::<u64>().ok());
            assert!(since.is_some_and(|at| at > 0), "{reloading}");
            assert!(has(&ready, "READY=1"), "{ready}");
            // By the file and by the signal, in whatever order.
            if has(&ready, status) {
                break;
            }
        }
    }

    gateway.terminate();
    let stopping = loop {
        // The file may have been told of as well.
        let message = heard();
        if !message.contains("READY=1") && !message.contains("RELOADING=1") {
            break message;
        }
    };
    assert!(has(&stopping, "STOPPING=1"), "{stopping}");
    assert_eq!(gateway.exit_code(), Some(0));
}

/// A gateway on a socket that is passed as a service manager does.
pub(crate) fn activated(socket: &TcpListener, dir: &Arc<TempDir>, file: &Path) -> Command {
    let mut activated = command(dir.path());
    let mut shell = Command::new("sh");
    let script = r#"exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#;
    shell.args(["-c", script]).arg(binary()).args(["gateway", "--config"]).arg(file);
    for (name, value) in activated.env("ANTHROPIC_API_KEY", PROVIDER_KEY).get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let own = socket.try_clone().expect("a descriptor");
    shell.current_dir(dir.path()).stdin(Stdio::from(OwnedFd::from(own)));
    shell
}

#[test]
fn a_passed_socket_is_served_and_the_next_process_follows_without_a_gap() {
    let upstream = Upstream::builder().forget_bodies().start(|_| Script::json(200, OK));
    let dir = directory();
    let file = dir.path().join("gateway.yaml");
    // Taken by the test itself: it could not be bound.
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = socket.local_addr().expect("bound");
    let server = format!("server: {{port: {}}}\n", addr.port());
    fs::write(&file, config(&upstream, KEY, &server)).expect("written");

    let mut old = Gateway::spawn(activated(&socket, &dir, &file), dir.clone());
    assert_eq!(old.url(), format!("http://{addr}"));
    old.until_said("serves on the socket that was passed (LISTEN_FDS)");
    let (over, stop) = std::sync::mpsc::channel::<()>();
    let callers = std::thread::spawn(move || {
        let mut statuses = Vec::new();
        while !matches!(stop.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected)) {
            statuses.push(ask_at(addr));
        }
        statuses
    });
    for _ in 0..3 {
        let next = Gateway::spawn(activated(&socket, &dir, &file), dir.clone());
        old.terminate();
        assert_eq!(old.exit_code(), Some(0));
        old = next;
    }
    // Without anybody they wait.
    old.terminate();
    assert_eq!(old.exit_code(), Some(0));
    let waiting = std::thread::spawn(move || ask_at(addr));
    let _last = Gateway::spawn(activated(&socket, &dir, &file), dir.clone());
    assert_eq!(waiting.join().expect("an answer"), 200);
    drop(over);
    let statuses = callers.join().expect("no caller is lost");
    assert!(statuses.len() > 3 && statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn what_is_passed_and_is_no_listener_is_refused_with_a_remedy() {
    let upstream = prompt();
    let dir = directory();
    let file = dir.path().join("gateway.yaml");
    fs::write(&file, config(&upstream, KEY, "")).expect("written");
    let refused = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(binary()).args(["gateway", "--config"]).arg(&file);
        shell.env("ANTHROPIC_API_KEY", PROVIDER_KEY).current_dir(dir.path()).stdin(Stdio::null());
        let output = shell.output().expect("sh runs");
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = refused(r#"exec 3</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@""#);
    assert!(none.contains("no TCP socket") && none.contains("ListenStream="), "{none}");
    let two = refused(r#"exec 3</dev/null 4</dev/null; LISTEN_FDS=2 exec "$0" "$@""#);
    assert!(two.contains("2 sockets were passed"), "{two}");
}

#[test]
fn a_second_signal_ends_at_once_and_the_first_waits_for_streams() {
    let bytes = fixtures::reply("reply-tool").bytes;
    let go_on = Gate::new();
    let (sent, held) = (bytes.clone(), go_on.clone());
    let upstream = Upstream::start(move |_| {
        let cut = sent.len() / 2;
        let start = Script::event_stream().chunk(sent.slice(..cut));
        start.wait(&held).chunk(sent.slice(cut..)).last_chunk()
    });
    let body = br#"{"model":"claude-opus-5-5","max_tokens":9,"messages":[],"stream":true}"#;
    for (signals, wanted) in [(&["INT", "TERM"][..], None), (&["TERM"], Some(&bytes))] {
        let mut gateway = Gateway::to(&upstream);
        let addr = addr(&gateway);
        block_on(async {
            let mut client = RawClient::connect(addr).await;
            client.send(&request("POST", "/v1/messages", &[], body)).await;
            assert_eq!(client.head().await.status, 200);
            let first = client.next_piece().await.expect("the beginning");
            for (signal, said) in signals.iter().zip(["stopping:", "second signal"]) {
                gateway.signal(signal);
                gateway.until_said(said);
            }
            if wanted.is_some() {
                go_on.open();
            }
            let rest = client.rest().await;
            assert_eq!(rest.end == BodyEnd::Clean, wanted.is_some());
            let got = [first, rest.bytes].concat();
            assert!(wanted.is_none_or(|bytes| *bytes == got), "{got:?}");
        });
        assert_eq!(gateway.exit_code(), Some(0));
    }
}

/// The real client: ten sessions in mid-turn while one process follows another on the same socket.
#[test]
fn a_rolling_restart_under_ten_sessions_loses_no_turn() {
    let upstream = anthropic(|ask| {
        let run = |id: &str, word: &str| {
            let input =
                json!({"command": format!("echo {word} >> words"), "description": "a word"});
            Reply::tool(id, "Bash", &input)
        };
        let reply = if ask.result("toolu_2").is_some() {
            Reply::text("three turns")
        } else if ask.result("toolu_1").is_some() {
            run("toolu_2", "two")
        } else {
            run("toolu_1", "one")
        };
        if !ask.streams() {
            return reply.to(ask);
        }
        // Long enough that whoever drains has streams to finish.
        let frames = reply.frames(ask);
        let (start, rest) = frames.split_at(3);
        let start = Script::event_stream().chunk(start.concat());
        start.stall(Duration::from_millis(300)).chunk(rest.concat()).last_chunk()
    });
    let dir = directory();
    let file = dir.path().join("gateway.yaml");
    fs::write(&file, config(&upstream, KEY, "")).expect("written");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut serving = Gateway::spawn(activated(&socket, &dir, &file), dir.clone());
    let url = serving.url().to_owned();
    let sessions: Vec<_> = (0..10)
        .map(|_| {
            let claude = Claude::at(&url);
            std::thread::spawn(move || {
                let run = claude.ask_beside("say two words", &[]);
                run.said("three turns");
                assert_eq!(run.count("system", "api_retry"), 0, "{run:?}");
                assert_eq!(claude.file("words").as_deref(), Some("one\ntwo\n"));
            })
        })
        .collect();
    // Three requests of each: the last ones come to the last process.
    for asked in [2, 7, 12, 17, 22, 27] {
        poll(
            "the sessions to go on",
            || (upstream.requests().len() > asked).then_some(()),
            || serving.log(),
        );
        let next = Gateway::spawn(activated(&socket, &dir, &file), dir.clone());
        serving.terminate();
        assert_eq!(serving.exit_code(), Some(0));
        serving = next;
    }
    for session in sessions {
        session.join().expect("a session that lost no turn");
    }
    assert_eq!(upstream.requests().len(), 30, "nobody asked twice");
}

/// Its SIGHUP is no wish for another configuration.
#[test]
fn a_terminal_that_is_closed_takes_its_gateway_along() {
    const SCRIPT: &str = "
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
while b'ANTHROPIC_BASE_URL' not in said:
    said += os.read(terminal, 4096)
os.kill(child, 1)
while b'nothing has changed' not in said:
    said += os.read(terminal, 4096)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";
    let dir = directory();
    let mut python = Command::new("python3");
    python.args(["-c", SCRIPT]).arg(binary()).args(["gateway", "--demo", "--port", "0"]);
    let output = python.env("HOME", dir.path()).current_dir(dir.path()).output().expect("Python");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
}
