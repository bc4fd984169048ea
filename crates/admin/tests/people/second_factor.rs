//! The second factor.

use admin::people::*;
use admin::{Actor, AdminError, Role};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use store::Store as _;
use totp_rs::{Builder, Secret, Totp};

use crate::{HOME, House, PASSWORD, at};

struct Device(Totp);

impl Device {
    fn code(&self, now: Timestamp) -> String {
        self.0.generate(u64::try_from(now.as_second()).unwrap()).to_string()
    }
}

/// Enrols, and confirms with the code of the step before.
async fn enrol(house: &House, name: &str) -> (Device, RecoveryCodes) {
    let signed_in = house.signed_in(name, at(0)).await;
    let enrolment = begin_totp(&house.gate, &signed_in, at(0)).unwrap();
    let secret = Secret::try_from_base32(enrolment.secret.expose_secret()).unwrap();
    let device = Device(Builder::new().with_secret(secret).build().unwrap());
    let code = device.code(at(-30));
    let codes = confirm_totp(house.store(), &house.gate, &signed_in, &code, at(0)).await.unwrap();
    (device, codes)
}

#[tokio::test]
async fn a_second_factor_counts_once_it_is_confirmed() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let signed_in = house.signed_in("anna", at(0)).await;
    let enrolment = begin_totp(&house.gate, &signed_in, at(0)).unwrap();
    assert!(
        enrolment.url.expose_secret().starts_with("otpauth://totp/Postern:anna?"),
        "{:?}",
        enrolment.url.expose_secret()
    );
    assert!(
        enrolment.qr_svg.expose_secret().starts_with("<svg") && !enrolment.qr_svg.expose_secret().contains("style")
    );
    assert!(confirm_totp(house.store(), &house.gate, &signed_in, "000000", at(0)).await.is_err());
    house.sign_in("anna", at(1)).await; // still without
    let late = confirm_totp(house.store(), &house.gate, &signed_in, "000000", at(601)).await.unwrap_err();
    assert!(late.to_string().contains("ten minutes"), "{late}");
    assert!(matches!(begin_totp(&house.gate, &signed_in, at(601)), Err(AdminError::StaleSignIn)));
}

#[tokio::test]
async fn with_a_second_factor_a_password_alone_opens_nothing_and_a_code_counts_once() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let (device, _) = enrol(&house, "anna").await;
    let sign_in = |code: Option<String>, now| {
        let house = &house;
        async move { house.try_sign_in("anna", PASSWORD, code.as_deref(), HOME, now).await }
    };
    assert!(matches!(sign_in(None, at(1)).await, Err(SignInError::NeedsCode)));
    assert!(matches!(house.try_sign_in("anna", "a guess, a guess", None, HOME, at(1)).await, Err(SignInError::Wrong)));
    let code = device.code(at(0));
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    sign_in(Some(spaced), at(1)).await.expect("as the device shows it");
    assert!(matches!(sign_in(Some(code), at(2)).await, Err(SignInError::Wrong)), "used");
    assert!(
        matches!(sign_in(Some(device.code(at(-30))), at(3)).await, Err(SignInError::Wrong)),
        "older than a used one"
    );
    sign_in(Some(device.code(at(60))), at(31)).await.expect("a clock half a minute ahead");
    assert!(matches!(sign_in(Some(device.code(at(200))), at(90)).await, Err(SignInError::Wrong)), "of another time");
}

#[tokio::test]
async fn codes_cannot_be_guessed_by_somebody_who_has_the_password() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    enrol(&house, "anna").await;
    let mut checked = 0;
    for network in 0..200 {
        let peer = format!("198.51.{network}.1");
        let result = house.try_sign_in("anna", PASSWORD, Some("000000"), &peer, at(network)).await;
        checked += u32::from(matches!(result, Err(SignInError::Wrong)));
    }
    assert!(checked < 15, "from any number of networks: {checked}");
}

#[tokio::test]
async fn a_recovery_code_opens_once() {
    let house = House::new();
    house.add("anna", Role::Viewer).await;
    let (device, codes) = enrol(&house, "anna").await;
    assert_eq!(codes.0.len(), 10);
    let code = codes.0[3].expose_secret().to_uppercase().replace('-', " ");
    house.try_sign_in("anna", PASSWORD, Some(&code), HOME, at(1)).await.expect("however it is typed");
    assert!(house.try_sign_in("anna", PASSWORD, Some(&code), HOME, at(2)).await.is_err(), "used");
    let signed_in = house.try_sign_in("anna", PASSWORD, Some(&device.code(at(30))), HOME, at(30)).await.unwrap();
    let signed_in = house.who(&signed_in.token, at(30)).await.unwrap();
    let new = new_recovery_codes(house.store(), &signed_in, at(31)).await.unwrap();
    let old = codes.0[4].expose_secret();
    assert!(house.try_sign_in("anna", PASSWORD, Some(old), HOME, at(32)).await.is_err(), "replaced");
    house.try_sign_in("anna", PASSWORD, Some(new.0[0].expose_secret()), HOME, at(33)).await.unwrap();
    assert!(house.actions().await.contains(&"recovery_code_used".to_owned()));
}

#[tokio::test]
async fn a_lost_second_factor_is_taken_away_by_an_administrator() {
    let house = House::new();
    let id = house.add("anna", Role::Viewer).await;
    let (device, _) = enrol(&house, "anna").await;
    let session = house.try_sign_in("anna", PASSWORD, Some(&device.code(at(0))), HOME, at(0)).await.unwrap();
    let anna = house.who(&session.token, at(601)).await.unwrap();
    assert!(matches!(remove_own_totp(house.store(), &anna, at(601)).await, Err(AdminError::StaleSignIn)));
    remove_totp(house.store(), &Actor::command_line(), &id, at(602)).await.unwrap();
    assert!(house.store.sessions(None).await.unwrap().is_empty());
    house.sign_in("anna", at(603)).await;
}
