//! `postern send`

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mail::compose::{Attachment, ComposeMessage, Composed, Mailboxes, Priority, compose};
use mail::{Address, Envelope};
use serde_json::json;
use store::Via;
use submission::intake::SubmissionOptions;

use crate::config::Loaded;
use crate::intake::{intake, submit_local};
use crate::opening::open_queue;
use crate::terminal::{Failure, say, say_json};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  postern send --from app@example.org --to me@example.org --subject Hello --text 'It works'
  df -h | postern send --from app@example.org --to ops@example.org --subject Disks
  postern send --from a@example.org --to b@example.org --subject Report --text 'See below' --attach report.pdf
  postern send --from a@example.org --to b@example.org --eml message.eml

The message is in the queue when the command ends with status 0; a running server sends it at once.")]
pub(crate) struct Options {
    /// Sender, as user@example.org or 'Name <user@example.org>'
    #[arg(long, value_name = "MAILBOX")]
    from: String,
    /// Recipient; may be given several times
    #[arg(long, value_name = "MAILBOX", required = true)]
    to: Vec<String>,
    #[arg(long, value_name = "MAILBOX")]
    cc: Vec<String>,
    #[arg(long, value_name = "MAILBOX")]
    bcc: Vec<String>,
    #[arg(long, value_name = "MAILBOX")]
    reply_to: Vec<String>,
    #[arg(long, default_value = "")]
    subject: String,
    /// Text of the message; left out: standard input
    #[arg(long)]
    text: Option<String>,
    /// HTML of the message
    #[arg(long)]
    html: Option<String>,
    /// Attach a file; may be given several times
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// A further header field, as 'X-Name: value'
    #[arg(long, value_name = "FIELD")]
    header: Vec<String>,
    /// high, normal or bulk
    #[arg(long, value_parser = parse_priority, default_value = "normal")]
    priority: store::Priority,
    /// Send this file (- for standard input) as it is; --from, --to, --cc and --bcc make the envelope
    #[arg(long, value_name = "FILE", conflicts_with_all = ["text", "html", "attach", "subject", "header", "reply_to"])]
    eml: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn parse_priority(text: &str) -> Result<store::Priority, String> {
    match text {
        "high" => Ok(store::Priority::High),
        "normal" => Ok(store::Priority::Normal),
        "bulk" => Ok(store::Priority::Bulk),
        _ => Err("there are high, normal and bulk".to_owned()),
    }
}

pub(crate) fn run(options: &Options, loaded: &Loaded) -> Result<(), Failure> {
    let Composed { envelope, mime } = match &options.eml {
        Some(file) => Composed { envelope: envelope(options)?, mime: read(file)? },
        None => compose(description(options)?)
            .map_err(|error| Failure::usage(error, "Correct that option; 'postern send --help' has examples."))?,
    };
    let id = super::block_on(async {
        let store = Arc::new(open_queue(loaded)?);
        let choices = SubmissionOptions { priority: options.priority, ..SubmissionOptions::default() };
        submit_local(&intake(&loaded.config, store), Via::Cli, envelope, &mime, choices)
            .await
            .map_err(|refusal| Failure::new(refusal.peer_text, "Nothing was queued."))
    })?;
    if options.json { say_json(&json!({ "id": id, "status": "queued" })) } else { say(format!("queued as {id}")) }
}

fn description(options: &Options) -> Result<ComposeMessage, Failure> {
    let text = match (&options.text, &options.html) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(_)) => None,
        (None, None) if std::io::stdin().is_terminal() => {
            return Err(Failure::usage("there is no text", "Give --text or --html, or pipe the text in."));
        }
        (None, None) => Some(String::from_utf8_lossy(&read(Path::new("-"))?).into_owned()),
    };
    let mut headers = BTreeMap::new();
    for field in &options.header {
        let (name, value) = field.split_once(':').ok_or_else(|| {
            Failure::usage(format!("--header '{field}' has no colon"), "Write it as 'X-Name: value'.")
        })?;
        headers.insert(name.trim().to_owned(), value.trim().to_owned());
    }
    Ok(ComposeMessage {
        from: options.from.clone(),
        to: Mailboxes(options.to.clone()),
        cc: Mailboxes(options.cc.clone()),
        bcc: Mailboxes(options.bcc.clone()),
        reply_to: Mailboxes(options.reply_to.clone()),
        subject: options.subject.clone(),
        text,
        html: options.html.clone(),
        attachments: options.attach.iter().map(|file| attachment(file)).collect::<Result<_, _>>()?,
        headers,
        priority: Some(match options.priority {
            store::Priority::High => Priority::High,
            store::Priority::Normal => Priority::Normal,
            store::Priority::Bulk => Priority::Bulk,
        }),
        send_at: None,
        metadata: None,
    })
}

fn attachment(file: &Path) -> Result<Attachment, Failure> {
    use base64::Engine as _;
    let filename = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let content = base64::engine::general_purpose::STANDARD.encode(read(file)?);
    Ok(Attachment { filename, content_type: None, content, content_id: None })
}

fn envelope(options: &Options) -> Result<Envelope, Failure> {
    let address = |text: &str| -> Result<Address, Failure> {
        let inside = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
        inside
            .trim()
            .parse()
            .map_err(|error| Failure::usage(format!("'{text}': {error}"), "Write it as user@example.org."))
    };
    let mut envelope = Envelope::new(address(&options.from)?);
    for recipient in options.to.iter().chain(&options.cc).chain(&options.bcc) {
        envelope.add(address(recipient)?);
    }
    Ok(envelope)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let result = if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(file).map(|content| bytes = content)
    };
    result.map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display()), "Name a readable file.")
    })?;
    Ok(bytes)
}
