//! RBAC for Applications: the script with which an Exchange administrator lets the application send from some mailboxes
//! only.
//!
//! Invariant: names and addresses stand in the script as single-quoted literals or in comments of one line; none of them
//! can end either.

use mail::Address;
use settings::{Connection, Tenant};
use store::Store;

use super::with_tenant;
use crate::{Actor, AdminError, Refused, Role};

/// The PowerShell script for the connection with this id, limited to these mailboxes. Holds no secret.
pub fn scoping_script(
    store: &dyn Store,
    actor: &Actor,
    connection: &str,
    mailboxes: &[Address],
) -> Result<String, AdminError> {
    actor.must_be(Role::Viewer)?;
    let settings = store.settings().borrow().clone();
    let (connection, tenant) = with_tenant(&settings, connection)?;
    if mailboxes.is_empty() {
        return Err(Refused::new("no mailbox is named", "Name every mailbox that mail is to leave from.")
            .at("mailboxes")
            .into());
    }
    Ok(script(connection, tenant, mailboxes))
}

fn script(connection: &Connection, tenant: &Tenant, mailboxes: &[Address]) -> String {
    let name: String = tenant.name.chars().filter(|c| c.is_alphanumeric() || *c == ' ').take(40).collect();
    let display = format!("Postern {}", name.trim());
    let conditions: Vec<String> =
        mailboxes.iter().map(|it| format!("PrimarySmtpAddress -eq {}", quoted(it.as_str()))).collect();
    let tests: Vec<String> = mailboxes
        .iter()
        .map(|it| {
            format!("Test-ServicePrincipalAuthorization -Identity $principal.Id -Resource {}", quoted(it.as_str()))
        })
        .collect();
    format!(
        "\
# Lets the application of the connection {connection} (tenant {tenant}) send from these mailboxes only:
{list}
#
# Run it as an Exchange administrator in PowerShell 7. It takes up to two hours to take effect.
# Remove the admin consent for Mail.Send from the app registration: consent and scope add up, and with the consent the
# application could send from every mailbox. The token then has no roles; that is right.

# Install-Module ExchangeOnlineManagement, Microsoft.Graph.Applications
Connect-MgGraph -Scopes 'Application.Read.All'
Connect-ExchangeOnline

$clientId = {client_id}
$name     = {display}

# The enterprise application: its object id is another one than the app registration's.
$principal = Get-MgServicePrincipal -Filter \"appId eq '$clientId'\"
if (-not $principal) {{ throw \"There is no enterprise application for $clientId in this tenant.\" }}

# Exchange learns about it.
if (-not (Get-ServicePrincipal -Identity $principal.Id -ErrorAction SilentlyContinue)) {{
    New-ServicePrincipal -AppId $clientId -ObjectId $principal.Id -DisplayName $name
}}

# The mailboxes. Run again with other mailboxes, the scope is changed.
$filter = {filter}
if (Get-ManagementScope -Identity $name -ErrorAction SilentlyContinue) {{
    Set-ManagementScope -Identity $name -RecipientRestrictionFilter $filter
}} else {{
    New-ManagementScope -Name $name -RecipientRestrictionFilter $filter
}}

# The right to send, within that scope.
if (-not (Get-ManagementRoleAssignment -Identity $name -ErrorAction SilentlyContinue)) {{
    New-ManagementRoleAssignment -Name $name -Role 'Application Mail.Send' -App $clientId -CustomResourceScope $name
}}

# The proof: InScope must be True for each.
{tests}
",
        connection = comment(&connection.name),
        tenant = comment(&tenant.name),
        list = mailboxes.iter().map(|it| format!("#   {}", comment(it.as_str()))).collect::<Vec<_>>().join("\n"),
        client_id = quoted(&tenant.client_id),
        display = quoted(&display),
        filter = quoted(&conditions.join(" -or ")),
        tests = tests.join("\n"),
    )
}

/// A literal: PowerShell takes the typographic quotes for single quotes too, and each is doubled.
fn quoted(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars().filter(|c| !c.is_control()) {
        if "'\u{2018}\u{2019}\u{201a}\u{201b}".contains(c) {
            literal.push(c);
        }
        literal.push(c);
    }
    literal.push('\'');
    literal
}

/// Stays on its line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || "\u{2028}\u{2029}\u{85}".contains(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_cannot_be_ended_by_what_is_in_it() {
        for (text, expected) in [
            ("a@b.test", "'a@b.test'"),
            ("o'neil@b.test", "'o''neil@b.test'"),
            ("x’; Remove-Item *", "'x’’; Remove-Item *'"),
            ("$(whoami)`n", "'$(whoami)`n'"), // nothing is expanded in single quotes
            ("a\r\nb", "'ab'"),
        ] {
            assert_eq!(quoted(text), expected);
        }
        assert_eq!(comment("a\nRemove-Item *\u{2028}b"), "a Remove-Item * b");
    }
}
