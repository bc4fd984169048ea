//! Starting the program and looking at what it did.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_postern");

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A command without anything of this test's own environment that could be configuration.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("POSTERN_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn finish(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.spawn().unwrap();
    // A program that ends before it has read everything closes its side.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A folder of one's own, with a data folder in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    /// Runs the program in this folder; its data folder is `./data`.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut command = command(PROGRAM, self.path());
        command.args(arguments).env("POSTERN_HOSTNAME", "host.test");
        if !arguments.contains(&"--data-dir") {
            command.env("POSTERN_DATA_DIR", self.path().join("data"));
        }
        finish(command, input)
    }

    pub(crate) fn apply(&self, setup: &str) -> Ended {
        self.write("setup.toml", setup);
        self.run(&["apply", "setup.toml"])
    }

    /// Messages in the queue, newest first.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.run(&["queue", "list", "--json"]).ok().json()["messages"].as_array().unwrap().clone()
    }
}

/// A setup for the sandbox's own tenant at `base`.
pub(crate) fn sandbox_setup(base: &str) -> String {
    format!(
        "[[tenant]]\nname = \"Contoso\"\ncloud = {{ login = \"{base}\", graph = \"{base}\" }}\n\
         tenant_id = \"11111111-2222-3333-4444-555555555555\"\n\
         client_id = \"66666666-7777-8888-9999-000000000000\"\nclient_secret = \"sandbox-secret\"\n\
         [[connection]]\nname = \"Contoso Graph\"\nservice = \"Microsoft Entra ID Graph API\"\ntenant = \"Contoso\"\n\
         [emails]\nmailbox = \"noreply@contoso.test\"\nservice_connection = \"Contoso Graph\"\n\
         [[account]]\nname = \"erp\"\npassword = \"erp-password\"\ntoken = \"erp-token\"\n"
    )
}

/// A running `postern serve`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
    pub(crate) http: SocketAddr,
    pub(crate) smtp: Vec<SocketAddr>,
}

impl Server {
    /// Serves the place's data folder on ports of its own; `more` goes into the configuration file.
    pub(crate) fn start(place: &Place, more: &str) -> Self {
        let http = if more.contains("[http]") { "" } else { "[http]\nlisten = '127.0.0.1:0'\n" };
        let smtp = if more.contains("[[smtp]]") { "" } else { "[[smtp]]\nlisten = '127.0.0.1:0'\n" };
        let file = place.write(
            "serve.toml",
            &format!("data_dir = 'data'\nhostname = 'host.test'\n{http}{smtp}[log]\nformat = 'json'\n{more}"),
        );
        let mut command = command(PROGRAM, place.path());
        let mut child = command.arg("serve").arg("--config").arg(file).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut http, mut smtp) = (None, Vec::new());
        loop {
            let event = next_event(&mut log).expect("the server starts");
            let listen = || event["listen"].as_str().unwrap().parse().unwrap();
            match event["event"].as_str() {
                Some("http_listening") => http = Some(listen()),
                Some("smtp_listening") => smtp.push(listen()),
                Some("server_started") => break,
                _ => {}
            }
        }
        Self { child, log, http: http.unwrap(), smtp }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for a named event in the log.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        loop {
            let event = next_event(&mut self.log).unwrap_or_else(|| panic!("the log ended before {name}"));
            if event["event"] == name {
                return event;
            }
        }
    }

    pub(crate) fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn next_event(log: &mut impl BufRead) -> Option<Value> {
    let mut line = String::new();
    (log.read_line(&mut line).unwrap() > 0)
        .then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
}

/// Status and body of one request in clear.
pub(crate) fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(stream, "{request}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}
