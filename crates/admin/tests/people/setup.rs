//! The first start.

use std::os::unix::fs::PermissionsExt as _;

use admin::people::*;
use admin::{Actor, AdminError, Role};
use secrecy::ExposeSecret as _;

use crate::{HOME, House, PASSWORD, at, client};

async fn complete(house: &House, setup: &SetupToken, token: &str, name: &str) -> Result<NewSession, AdminError> {
    let (token, password) = (token.into(), PASSWORD.into());
    setup.complete_setup(house.store(), &house.gate, &token, name, &password, &client(HOME), at(0)).await
}

#[tokio::test]
async fn the_token_makes_the_first_administrator_and_is_gone() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    assert!(needs_setup(house.store()));
    let setup = SetupToken::ensure(folder.path(), house.store()).unwrap();
    assert_eq!(std::fs::metadata(setup.file()).unwrap().permissions().mode() & 0o777, 0o600);
    let token = setup.read().unwrap().expose_secret().to_owned();
    SetupToken::ensure(folder.path(), house.store()).unwrap();
    assert_eq!(setup.read().unwrap().expose_secret(), token, "a second start keeps it");
    assert!(complete(&house, &setup, "guess", "anna").await.is_err());
    assert!(needs_setup(house.store()));
    let begun = complete(&house, &setup, &token, "anna").await.unwrap();
    assert_eq!(house.who(&begun.token, at(0)).await.unwrap().actor.role(), Role::Administrator);
    assert!(!needs_setup(house.store()) && !setup.file().exists());
    assert!(complete(&house, &setup, &token, "eve").await.is_err());
    SetupToken::ensure(folder.path(), house.store()).unwrap();
    assert!(!setup.file().exists(), "there is no second first start");
}

#[tokio::test]
async fn of_two_at_once_one_becomes_administrator() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    let setup = SetupToken::ensure(folder.path(), house.store()).unwrap();
    let token = setup.read().unwrap().expose_secret().to_owned();
    let (one, two) = tokio::join!(complete(&house, &setup, &token, "anna"), complete(&house, &setup, &token, "eve"));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    assert_eq!(list_users(house.store(), &Actor::command_line()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_file_cut_short_is_written_anew_and_one_without_use_is_removed() {
    let (house, folder) = (House::new(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("setup-token"), "abc").unwrap();
    let setup = SetupToken::ensure(folder.path(), house.store()).unwrap();
    assert!(setup.read().is_some());
    house.add("anna", Role::Administrator).await;
    SetupToken::ensure(folder.path(), house.store()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
