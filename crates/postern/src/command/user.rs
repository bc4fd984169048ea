//! `postern user add|list|set-role|disable|enable|reset-password|remove-second-factor|remove`
//!
//! Whoever can run this on the data folder may do everything, so it is also the way back in for somebody who is shut out.

mod ask_password;

use admin::people::{
    NewUser, SignInGate, UserSummary, add_user, change_role, list_users, remove_totp, remove_user, reset_password,
    set_disabled, user_named,
};
use admin::{Actor, Role};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;
use store::Store;

use self::ask_password::ask_password;
use crate::config::Loaded;
use crate::opening::open_store;
use crate::terminal::{Failure, plain, say, say_json, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  postern user add anna --role administrator        asks for the password, twice
  postern user add bert --generate-password         makes one, and shows it once
  postern user reset-password anna --password-stdin < password.txt
  postern user list --json")]
pub(crate) enum Command {
    /// Add a user
    Add {
        /// What is typed at sign-in
        name: String,
        /// What they may do: viewer (looks), operator (works on messages), administrator (changes settings)
        #[arg(long, value_parser = parse_role, default_value = "viewer")]
        role: Role,
        #[command(flatten)]
        password: PasswordOptions,
        #[command(flatten)]
        answer: Answer,
    },
    /// List users
    List(Answer),
    /// Give a user another role; their sessions end
    SetRole {
        name: String,
        #[arg(value_parser = parse_role)]
        role: Role,
        #[command(flatten)]
        answer: Answer,
    },
    /// Let a user sign in no more; their sessions end
    Disable(One),
    /// Let a disabled user sign in again
    Enable(One),
    /// Set a new password; their sessions end
    ResetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordOptions,
        #[command(flatten)]
        answer: Answer,
    },
    /// Take the second factor away from a user who lost it; their sessions end
    RemoveSecondFactor(One),
    /// Remove a user; their sessions end
    Remove(One),
}

#[derive(Debug, Args)]
pub(crate) struct Answer {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Name of the user
    name: String,
    #[command(flatten)]
    answer: Answer,
}

/// A password is never an argument: every user of the machine could read it in the list of processes.
#[derive(Debug, Args)]
pub(crate) struct PasswordOptions {
    /// Read the password from standard input, to its first line end [default: ask on the terminal]
    #[arg(long)]
    password_stdin: bool,
    /// Make a password, and show it once
    #[arg(long, conflicts_with = "password_stdin")]
    generate_password: bool,
}

impl PasswordOptions {
    /// `None`: one is to be made.
    fn read(&self) -> Result<Option<SecretString>, Failure> {
        if self.generate_password { Ok(None) } else { ask_password(self.password_stdin).map(Some) }
    }
}

pub(super) fn parse_role(text: &str) -> Result<Role, String> {
    Role::from_name(text).ok_or_else(|| "a role is viewer, operator or administrator".to_owned())
}

pub(crate) fn run(command: &Command, loaded: &Loaded) -> Result<(), Failure> {
    let (actor, now) = (Actor::command_line(), Timestamp::now());
    super::block_on(async {
        let store = &*open_store(&loaded.config).await?;
        let named = |name: &str| user_named(store, &actor, name);
        match command {
            Command::Add { name, role, password, answer } => {
                let new = NewUser { name: name.clone(), role: *role, password: password.read()? };
                let added = add_user(store, &SignInGate::default(), &actor, &new, now).await?;
                show(&added.user, added.generated_password.as_ref(), "added", answer)
            }
            Command::List(answer) => list(&list_users(store, &actor)?, answer),
            Command::SetRole { name, role, answer } => {
                let changed = change_role(store, &actor, &named(name)?.id, *role, now).await?;
                show(&changed, None, role.name(), answer)
            }
            Command::Disable(one) => {
                let changed = set_disabled(store, &actor, &named(&one.name)?.id, true, now).await?;
                show(&changed, None, "disabled", &one.answer)
            }
            Command::Enable(one) => {
                let changed = set_disabled(store, &actor, &named(&one.name)?.id, false, now).await?;
                show(&changed, None, "enabled", &one.answer)
            }
            Command::ResetPassword { name, password, answer } => {
                reset(store, &actor, &named(name)?, password, answer, now).await
            }
            Command::RemoveSecondFactor(one) => {
                remove_totp(store, &actor, &named(&one.name)?.id, now).await?;
                show(&named(&one.name)?, None, "second factor removed", &one.answer)
            }
            Command::Remove(one) => {
                let user = named(&one.name)?;
                remove_user(store, &actor, &user.id, now).await?;
                show(&user, None, "removed", &one.answer)
            }
        }
    })
}

async fn reset(
    store: &dyn Store,
    actor: &Actor,
    user: &UserSummary,
    password: &PasswordOptions,
    answer: &Answer,
    now: Timestamp,
) -> Result<(), Failure> {
    let password = password.read()?;
    let generated = reset_password(store, &SignInGate::default(), actor, &user.id, password.as_ref(), now).await?;
    show(user, generated.as_ref(), "password set", answer)
}

fn show(user: &UserSummary, generated: Option<&SecretString>, done: &str, answer: &Answer) -> Result<(), Failure> {
    let generated = generated.map(secrecy::ExposeSecret::expose_secret);
    if answer.json {
        return say_json(&json!({ "user": user, "generated_password": generated }));
    }
    say(format!("{} {done}", plain(&user.name)))?;
    match generated {
        Some(password) => say(format!("password (shown this once): {password}")),
        None => Ok(()),
    }
}

fn list(users: &[UserSummary], answer: &Answer) -> Result<(), Failure> {
    if answer.json {
        return say_json(&users);
    }
    if users.is_empty() {
        return say("no users yet: 'postern user add NAME --role administrator' makes the first");
    }
    let row = |user: &UserSummary| {
        let how = match (&user.openid_issuer, user.has_second_factor) {
            (Some(issuer), _) => plain(issuer),
            (None, true) => "password and code".to_owned(),
            (None, false) => "password".to_owned(),
        };
        let state = if user.disabled { "disabled" } else { "" };
        vec![plain(&user.name), user.role.name().to_owned(), how, state.to_owned()]
    };
    let rows: Vec<Vec<String>> = users.iter().map(row).collect();
    say(table(&["NAME", "ROLE", "SIGNS IN WITH", "STATE"], &rows))
}
