//! The sandbox over the wire: what a client of Microsoft's would see.
//!
//! Every module is marked as test code, so that the lints treat its plain functions as such too.

#[cfg(test)]
mod admin_consent;
#[cfg(test)]
mod bounces;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod client;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod codes;
#[cfg(test)]
mod delegated_mail;
#[cfg(test)]
mod device;
#[cfg(test)]
mod drafts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod federation;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod looking_in;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod refreshing;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod send_mail;
#[cfg(test)]
mod send_mail_json;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod tokens_by_certificate;
