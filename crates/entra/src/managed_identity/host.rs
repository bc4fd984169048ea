//! Which service of the machine gives tokens. The platform says so in the environment of the process.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use url::Url;

/// The instance metadata service of every Azure virtual machine.
const IMDS: &str = "http://169.254.169.254";
const ARC_ENDPOINT: &str = "http://localhost:40342/metadata/identity/oauth2/token";
/// Where the agent of Azure Arc keeps the files that prove that somebody may read them.
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";
/// There if the machine is connected to Azure Arc.
const ARC_AGENT: &str = "/opt/azcmagent/bin/himds";

/// Where this machine gives tokens for its identity.
#[derive(Debug, Clone)]
pub enum IdentityHost {
    Imds {
        /// Without a trailing slash.
        origin: String,
    },
    AppService {
        endpoint: Url,
        /// Proves that the caller is a process of the app.
        header: SecretString,
    },
    Arc {
        endpoint: Url,
        key_folder: PathBuf,
    },
    /// There is one, but not one that can be used; why.
    Unsupported(&'static str),
}

impl IdentityHost {
    /// The one of the machine this process runs on.
    pub fn here() -> Self {
        Self::of(|name| std::env::var(name).ok(), Path::new(ARC_AGENT).exists())
    }

    /// As an environment describes it, in the order in which Microsoft's own libraries look.
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST` puts another address in place of the metadata service's, as it does for them.
    pub fn of(variable: impl Fn(&str) -> Option<String>, is_connected_to_arc: bool) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let is_set = |name: &str| variable(name).is_some();
        let Some(endpoint) = variable("IDENTITY_ENDPOINT") else {
            return match variable("AZURE_POD_IDENTITY_AUTHORITY_HOST") {
                None if is_connected_to_arc => arc(ARC_ENDPOINT),
                origin => Self::Imds { origin: origin.unwrap_or_else(|| IMDS.to_owned()).trim_matches('/').to_owned() },
            };
        };
        match variable("IDENTITY_HEADER") {
            Some(_) if is_set("IDENTITY_SERVER_THUMBPRINT") => {
                Self::Unsupported("managed identities of Service Fabric are not supported")
            }
            Some(header) => match Url::parse(&endpoint) {
                Ok(endpoint) => Self::AppService { endpoint, header: SecretString::from(header) },
                Err(_) => Self::Unsupported("IDENTITY_ENDPOINT is not a URL"),
            },
            None if is_set("IMDS_ENDPOINT") => arc(&endpoint),
            None => Self::Unsupported("IDENTITY_ENDPOINT is set without IDENTITY_HEADER or IMDS_ENDPOINT"),
        }
    }
}

fn arc(endpoint: &str) -> IdentityHost {
    match Url::parse(endpoint) {
        Ok(endpoint) => IdentityHost::Arc { endpoint, key_folder: PathBuf::from(ARC_KEYS) },
        Err(_) => IdentityHost::Unsupported("IDENTITY_ENDPOINT is not a URL"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [(&'a str, &'a str)], bool, &'a str);

    #[test]
    fn the_environment_says_where_tokens_come_from() {
        let endpoint = ("IDENTITY_ENDPOINT", "http://127.0.0.1:1/msi");
        let header = ("IDENTITY_HEADER", "h");
        let pod = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:2/");
        let table: &[Row<'_>] = &[
            (&[], false, "Imds { origin: \"http://169.254.169.254\" }"),
            (&[pod], false, "Imds { origin: \"http://127.0.0.1:2\" }"),
            // Empty is as good as not there.
            (&[("AZURE_POD_IDENTITY_AUTHORITY_HOST", "")], false, "Imds { origin: \"http://169.254.169.254\" }"),
            (&[endpoint, header], false, "AppService"),
            // Azure Arc by its variables, or by its agent alone.
            (&[endpoint, ("IMDS_ENDPOINT", "http://127.0.0.1:1")], false, "Arc"),
            (&[], true, "key_folder: \"/var/opt/azcmagent/tokens\""),
            // What was set on purpose goes before what was found.
            (&[pod], true, "Imds"),
            (&[endpoint, header, ("IDENTITY_SERVER_THUMBPRINT", "t")], false, "Service Fabric"),
            (&[endpoint], false, "without IDENTITY_HEADER"),
            (&[("IDENTITY_ENDPOINT", "nonsense"), header], false, "not a URL"),
        ];
        for (variables, arc, expected) in table {
            let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            let host = format!("{:?}", IdentityHost::of(find, *arc));
            assert!(host.contains(expected), "{variables:?}: {host}");
            assert!(!host.contains("\"h\""), "the header is a secret");
        }
    }
}
