//! `/{tenant}/oauth2/v2.0/logout`: the browser's session ends.

use hyper::Method;

use super::authorize::find_tenant;
use super::client::read_parameters;
use super::visit::{Reply, WayBack, forget_session, notice_page, refusal_page, session_cookie};
use crate::dispatch::not_found;
use crate::exchange::Call;
use crate::state::State;

/// Ends the session and sends the person on to `post_logout_redirect_uri`, if that is an address of one of the
/// tenant's apps.
pub(crate) fn sign_out(state: &State, call: &Call, key: &str) -> Reply {
    if call.method != Method::GET {
        return not_found();
    }
    let tenant = match find_tenant(state, key) {
        Ok(tenant) => tenant,
        Err(refusal) => return refusal_page(call, &refusal, state.clock.now()),
    };
    if let Some(handle) = session_cookie(call) {
        state.accounts.sessions.take(handle);
    }
    let mut parameters = read_parameters(call.query.as_bytes());
    if let Some(uri) = parameters.remove("post_logout_redirect_uri") {
        parameters.insert("redirect_uri".to_owned(), uri);
    }
    let way_on = tenant.app_list.iter().find_map(|app| WayBack::check(app, &parameters).ok());
    let reply = match way_on {
        Some(way_on) => way_on.send(&[]),
        None => notice_page("You signed out of your account", "It's a good idea to close all browser windows."),
    };
    forget_session(reply)
}
