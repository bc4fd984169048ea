//! Forms as data: a page lists its fields, one template shows them all, so that all forms look and behave alike.
//!
//! A field may depend on the choice made in another (`shown_when`): the browser hides it while the choice is a different
//! one. Without scripts every field is shown; what does not apply is refused or ignored by `admin` either way.

use admin::Refused;

/// What a form is filled with, and what was wrong with it when it came back.
#[derive(Debug)]
pub(crate) struct FormView {
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
    /// On the button that sends it.
    pub(crate) submit: &'static str,
    /// A second button, which sends the form with `then=` its name: where to go once it is saved.
    pub(crate) then: Option<(&'static str, &'static str)>,
    /// Where *Cancel* leads.
    pub(crate) cancel: &'static str,
    /// What is wrong, if it is not one field's fault.
    pub(crate) problem: Option<Refused>,
    /// The settings this form was filled from: it does not overwrite what somebody else changed since.
    pub(crate) version: Option<u64>,
}

impl FormView {
    pub(crate) fn new(action: impl Into<String>, cancel: &'static str, fields: Vec<Field>) -> Self {
        Self { action: action.into(), fields, submit: "Save & Close", then: None, cancel, problem: None, version: None }
    }

    /// Puts what was refused beside its field, or on top.
    pub(crate) fn with_problem(mut self, refused: Option<Refused>) -> Self {
        let Some(refused) = refused else { return self };
        match refused.field.and_then(|name| self.fields.iter_mut().find(|field| field.name == name)) {
            Some(field) => field.problem = Some(refused),
            None => self.problem = Some(refused),
        }
        self
    }

    pub(crate) fn at_version(mut self, version: Option<u64>) -> Self {
        self.version = version;
        self
    }
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) value: String,
    pub(crate) hint: Option<String>,
    pub(crate) required: bool,
    pub(crate) autocomplete: &'static str,
    pub(crate) problem: Option<Refused>,
    pub(crate) shown_when: Vec<ShownWhen>,
}

/// The field named has one of these values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownWhen {
    pub(crate) field: &'static str,
    pub(crate) values: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Email,
    Number,
    Date,
    /// Never filled in: what is stored is not shown again.
    Secret {
        is_set: bool,
    },
    Lines {
        rows: u8,
    },
    Check,
    Select(Vec<Choice>),
    /// A heading between fields.
    Section,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) text: String,
    pub(crate) disabled: bool,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, text: impl Into<String>) -> Self {
        Self { value: value.into(), text: text.into(), disabled: false }
    }
}

impl Field {
    fn of(kind: Kind, name: &'static str, label: &'static str, value: &str) -> Self {
        Self {
            name,
            label,
            kind,
            value: value.to_owned(),
            hint: None,
            required: false,
            autocomplete: "off",
            problem: None,
            shown_when: Vec::new(),
        }
    }

    pub(crate) fn text(name: &'static str, label: &'static str, value: &str) -> Self {
        Self::of(Kind::Text, name, label, value)
    }

    pub(crate) fn email(name: &'static str, label: &'static str, value: &str) -> Self {
        Self::of(Kind::Email, name, label, value)
    }

    pub(crate) fn number(name: &'static str, label: &'static str, value: &str) -> Self {
        Self::of(Kind::Number, name, label, value)
    }

    pub(crate) fn date(name: &'static str, label: &'static str, value: &str) -> Self {
        Self::of(Kind::Date, name, label, value)
    }

    pub(crate) fn secret(name: &'static str, label: &'static str, is_set: bool) -> Self {
        Self::of(Kind::Secret { is_set }, name, label, "")
    }

    pub(crate) fn lines(name: &'static str, label: &'static str, value: &str, rows: u8) -> Self {
        Self::of(Kind::Lines { rows }, name, label, value)
    }

    pub(crate) fn check(name: &'static str, label: &'static str, is_on: bool) -> Self {
        Self::of(Kind::Check, name, label, if is_on { "on" } else { "" })
    }

    pub(crate) fn select(name: &'static str, label: &'static str, value: &str, choices: Vec<Choice>) -> Self {
        Self::of(Kind::Select(choices), name, label, value)
    }

    pub(crate) fn section(label: &'static str) -> Self {
        Self::of(Kind::Section, "", label, "")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = token;
        self
    }

    pub(crate) fn shown_when(mut self, field: &'static str, values: &'static [&'static str]) -> Self {
        self.shown_when.push(ShownWhen { field, values });
        self
    }

    /// `field=a|b;other=c`, for the script that shows and hides.
    pub(crate) fn condition(&self) -> String {
        let one = |when: &ShownWhen| format!("{}={}", when.field, when.values.join("|"));
        self.shown_when.iter().map(one).collect::<Vec<_>>().join(";")
    }

    pub(crate) fn input_type(&self) -> &'static str {
        match self.kind {
            Kind::Email => "email",
            Kind::Number => "number",
            Kind::Date => "date",
            Kind::Secret { .. } => "password",
            _ => "text",
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.value == "on"
    }

    /// Ids of what describes the field, for screen readers.
    pub(crate) fn described_by(&self) -> String {
        let problem = self.problem.as_ref().map(|_| format!("{}-problem", self.name));
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.name));
        problem.into_iter().chain(hint).collect::<Vec<_>>().join(" ")
    }
}

/// A list typed one to a line, or with commas.
pub(crate) fn list(text: &str) -> Vec<String> {
    text.split(['\n', ',']).map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// A list typed one to a line, of names that may have commas.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Connections to fall back to, by name.
pub(crate) fn fallback_field(value: &str, connections: &[String]) -> Field {
    let known = if connections.len() < 2 { "another one is needed first".to_owned() } else { connections.join("; ") };
    Field::lines("fallback", "Fall back to", value, 2).hint(format!(
        "Service Connections to go by, in this order, while the one above is broken: one to a line. There are: {known}."
    ))
}

/// `None` for a field left empty.
pub(crate) fn optional(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// `None` for a field left empty.
pub(crate) fn number<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<Option<T>, Refused> {
    let read = optional(text).map(|text| text.parse()).transpose();
    read.map_err(|_| Refused::new("this is no number", "Write a whole number, as 30, or leave it empty.").at(field))
}
