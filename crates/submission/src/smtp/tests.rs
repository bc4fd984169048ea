//! The listener on loopback, with a real store behind it.
//!
//! `dialogs/` holds one behaviour a file, as a transcript; what a transcript cannot show is tested in `sessions`.

mod client;
mod dialog;
mod gate;
mod limits;
mod metrics;
mod sessions;

use dialog::dialogs;

dialogs! {
    a_message_is_queued,
    a_second_ehlo_is_fine_and_ends_the_transaction,
    a_session_takes_many_messages,
    auth_cancelled_by_the_client,
    auth_for_somebody_else_is_refused,
    auth_from_a_network_not_the_accounts,
    auth_is_not_offered_in_the_clear,
    auth_line_too_long_is_refused,
    auth_login_with_prompts,
    auth_login_with_the_user_inline,
    auth_plain_in_two_steps,
    auth_refused_in_a_transaction,
    auth_twice_is_refused,
    auth_unknown_mechanism,
    auth_wrong_password,
    bare_cr_in_a_command_is_refused,
    bare_cr_in_data_is_refused,
    bare_lf_in_data_is_normalized,
    bare_lf_in_data_is_refused,
    bare_lf_lines_are_taken_from_old_devices,
    bare_lf_line_ends_the_session,
    commands_out_of_order,
    data_that_looks_like_an_end_is_not_one,
    every_recipient_refused_leaves_no_data,
    header_from_is_checked,
    hello_may_be_the_old_one,
    long_command_line_is_skipped,
    mail_size_too_large,
    message_too_large_is_read_to_its_end,
    network_outside_allow_is_turned_away,
    null_reverse_path_is_accepted,
    off_has_no_auth,
    optional_lets_the_network_send,
    pipelined_group,
    rate_limit_is_temporary,
    required_asks_for_a_login,
    rset_keeps_the_login,
    sender_not_allowed,
    smtputf8_is_needed_for_utf8,
    starttls_and_plaintext_behind_it,
    starttls_forgets_everything,
    starttls_not_offered,
    starttls_offered_and_used,
    too_many_errors_end_the_session,
    too_many_failed_logins_end_the_session,
    too_many_idle_commands_end_the_session,
    too_many_recipients,
    unknown_commands_and_web_browsers,
    verbs_that_tell_nothing,
}
