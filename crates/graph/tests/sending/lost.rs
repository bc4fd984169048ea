//! Attempts without an answer: what can have left, and what cannot.

use std::time::Duration;

use bytes::Bytes;
use graph::{FailureClass, GraphError, Who};
use tokio::net::TcpListener;

use crate::far_side::{Reply, answer_bytes};
use crate::tenant::{MESSAGE, Tenant, client, mail_through, relay};

const NOT_SENT: FailureClass = FailureClass::Transient { retry_after: None };

/// More than the socket buffers of both sides take in.
fn large() -> Bytes {
    Bytes::from(vec![b'x'; 32 * 1024 * 1024])
}

async fn send(reply: fn() -> Reply, message: &Bytes) -> GraphError {
    let tenant = Tenant::answering(vec![reply]).await;
    tenant.mail.send_mime(&relay(), message).await.unwrap_err()
}

type Case = (fn() -> Reply, Bytes, FailureClass);

#[tokio::test]
async fn only_a_request_that_went_out_whole_leaves_a_doubt() {
    let small = Bytes::from_static(MESSAGE);
    let table: [Case; 5] = [
        // Read completely, then no answer: it may have been sent.
        (|| Reply::Close, small.clone(), FailureClass::Uncertain),
        // Everything had left our hands when the reset came; how much arrived cannot be known.
        (|| Reply::ResetAfter(10), small, FailureClass::Uncertain),
        // Most of it never left: a request shorter than its stated length is not executed.
        (|| Reply::ResetAfter(10), large(), NOT_SENT),
        // A gateway gave up before it had the message.
        (|| Reply::Early(answer_bytes("504 Gateway Timeout", "Connection: close\r\n", "")), large(), NOT_SENT),
        // Refused for its size before it was read.
        (
            || Reply::Early(answer_bytes("413 Content Too Large", "Connection: close\r\n", "")),
            large(),
            FailureClass::TooLarge,
        ),
    ];
    for (number, (reply, message, class)) in table.into_iter().enumerate() {
        let error = send(reply, &message).await;
        assert_eq!(error.class(), class, "{number}: {error}");
        let doubt = error.explanation().what.contains("may have been delivered");
        assert_eq!(doubt, class == FailureClass::Uncertain, "{number}: {}", error.explanation());
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_uncertain_after_the_deadline() {
    let mut tenant = Tenant::answering(vec![|| Reply::Silence]).await;
    let mail = tenant.mail.clone();
    let sending =
        tokio::spawn(async move { mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err() });
    tenant.next().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(89)).await;
    tokio::task::yield_now().await;
    assert!(!sending.is_finished(), "a slow answer is worth waiting for");
    tokio::time::advance(Duration::from_secs(3)).await;
    let error = sending.await.unwrap();
    assert_eq!(error.class(), FailureClass::Uncertain);
    assert!(error.to_string().contains("within 91 s"), "{error}");
}

#[tokio::test]
async fn a_refusal_whose_body_never_ends_is_still_a_refusal() {
    // More announced than sent: reading it is given up, the verdict stands.
    let reply =
        || Reply::Answer(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 500\r\n\r\n{\"error\":".to_vec());
    let mut tenant = Tenant::answering(vec![reply]).await;
    let mail = tenant.mail.clone();
    let sending =
        tokio::spawn(async move { mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err() });
    tenant.next().await;
    // Idle means waiting for the rest of the body: a paused clock then runs to the next deadline by itself.
    tokio::time::pause();
    let error = sending.await.unwrap();
    assert_eq!((error.status(), error.class()), (Some(500), NOT_SENT));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let tenant = Tenant::start(|_| crate::tenant::accept()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mail = mail_through(&tenant.far.origin, &nobody, client());
    let error = mail.send_mime(&relay(), &Bytes::from_static(MESSAGE)).await.unwrap_err();
    assert_eq!(error.class(), NOT_SENT);
    assert!(error.token_error().is_none(), "{error}");
    assert_eq!(error.explanation().who, Who::NetworkAdministrator);
    assert!(error.to_string().starts_with("127.0.0.1 is unreachable"), "{error}");
}
