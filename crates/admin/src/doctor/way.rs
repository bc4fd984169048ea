//! The way to a service: names, proxy, TLS; and whether its clock agrees with ours.

use std::error::Error as _;
use std::time::Duration;

use jiff::Timestamp;
use relay::Network;
use url::Url;

use super::{Check, CheckStatus};

/// A certificate assertion lives ten minutes; half of that is no room for comfort.
const MAX_SKEW_SECONDS: i64 = 300;
const DEADLINE: Duration = Duration::from_secs(20);

/// Where to, in words and as an address that answers without a token.
pub(super) struct Place {
    pub(super) what: &'static str,
    pub(super) url: String,
}

/// Asks each place one harmless question. The first that cannot be reached ends it: the others would say the same again.
pub(super) async fn check(places: &[Place], network: &Network) -> Vec<Check> {
    let mut checks: Vec<Check> = proxy(network).into_iter().collect();
    let http = match network.client() {
        Ok(http) => http,
        Err(error) => {
            checks.push(Check::not_ok(
                "network",
                CheckStatus::Fail,
                error.to_string(),
                "Correct the proxy and CA settings.",
            ));
            return checks;
        }
    };
    let mut reached = Vec::new();
    let mut skew = None;
    for place in places {
        let host = host(&place.url);
        if let Err(check) = resolve(network, &host).await {
            checks.push(*check);
            return checks;
        }
        match ask(place, &http).await {
            Ok(seen) => skew = skew.or(seen),
            Err(check) => {
                checks.push(*check);
                return checks;
            }
        }
        reached.push(format!("{} ({host})", place.what));
    }
    checks.push(Check::ok("network", format!("{} answered", reached.join(" and "))));
    checks.extend(skew.map(clock));
    checks
}

/// Which way it is, without the proxy's password.
fn proxy(network: &Network) -> Option<Check> {
    let url = network.proxy.as_ref()?;
    let shown = format!("{}://{}:{}", url.scheme(), url.host_str()?, url.port_or_known_default().unwrap_or_default());
    let except = match network.no_proxy.as_slice() {
        [] => String::new(),
        hosts => format!(", except for {}", hosts.join(", ")),
    };
    Some(Check::ok("proxy", format!("everything goes through {shown}{except}")))
}

fn host(url: &str) -> String {
    let url = Url::parse(url).ok();
    url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
}

/// Behind a proxy the names are its business.
async fn resolve(network: &Network, host: &str) -> Result<(), Box<Check>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if network.proxy.is_some() || bare.is_empty() || bare.parse::<std::net::IpAddr>().is_ok() {
        return Ok(());
    }
    let failed = |why: String| {
        let found = format!("the name {bare} cannot be resolved: {why}");
        let fix =
            "Check the machine's name servers (/etc/resolv.conf); where only a proxy may resolve names, set [proxy].";
        Box::new(network_matter("name_resolution", found, fix))
    };
    match tokio::time::timeout(DEADLINE, tokio::net::lookup_host((bare, 443))).await {
        Err(_) => Err(failed(format!("no answer in {} s", DEADLINE.as_secs()))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(mut addresses)) => match addresses.next() {
            Some(_) => Ok(()),
            None => Err(failed("it has no address".to_owned())),
        },
    }
}

/// Any answer will do; returns how many seconds our clock is ahead of its.
async fn ask(place: &Place, http: &reqwest::Client) -> Result<Option<i64>, Box<Check>> {
    let began = Timestamp::now();
    let answer = http.get(&place.url).timeout(DEADLINE).send().await.map_err(|error| {
        let mut why = error.source();
        let mut words = Vec::new();
        while let Some(cause) = why {
            words.push(cause.to_string());
            why = cause.source();
        }
        let words = if words.is_empty() { error.without_url().to_string() } else { words.join(": ") };
        let (name, fix) = remedy(&words);
        Box::new(network_matter(name, format!("{} ({}) cannot be reached: {words}", place.what, host(&place.url)), fix))
    })?;
    let theirs = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let theirs = theirs.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
    // Between question and answer: half of the time it took is the best guess of when the answer was written.
    let ours = (began.as_millisecond() + Timestamp::now().as_millisecond()) / 2000;
    Ok(theirs.map(|theirs| ours - theirs.as_second()))
}

/// What usually is behind such words, and the name of the link of the chain that it breaks.
fn remedy(words: &str) -> (&'static str, &'static str) {
    let words = words.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|word| words.contains(word));
    if has(&["proxy", "tunnel", "socks"]) {
        return (
            "proxy",
            "Check the proxy's address, user and password in [proxy] or the connection, and its allow-list.",
        );
    }
    if has(&["certificate", "unknownissuer", "tls"]) {
        let fix = "If a proxy looks into TLS, or the authority is a private one, add its certificate to ca_bundle in [proxy].";
        return ("tls", fix);
    }
    ("network", "Check firewall and routes, or set [proxy] in postern.toml if only a proxy may go out.")
}

fn network_matter(name: &'static str, found: String, fix: &str) -> Check {
    let who = entra::Who::NetworkAdministrator.to_string();
    Check { who, ..Check::not_ok(name, CheckStatus::Fail, found, fix) }
}

/// Assertions and tokens carry times: a clock that is wrong breaks them with errors that name something else.
fn clock(skew: i64) -> Check {
    const NAME: &str = "clock";
    if skew.abs() > MAX_SKEW_SECONDS {
        let direction = if skew > 0 { "fast" } else { "slow" };
        let found = format!("this machine's clock is {} s {direction}", skew.abs());
        return Check::not_ok(NAME, CheckStatus::Fail, found, "Let the machine follow a time server (NTP).");
    }
    Check::ok(NAME, format!("within {} s of Microsoft's", skew.abs().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_off_by_five_minutes_and_no_more() {
        for (skew, status) in
            [(0, CheckStatus::Ok), (-300, CheckStatus::Ok), (301, CheckStatus::Fail), (-4000, CheckStatus::Fail)]
        {
            assert_eq!(clock(skew).status, status, "{skew}");
        }
        assert!(clock(400).found.contains("fast") && clock(-400).found.contains("slow"));
    }

    #[test]
    fn words_of_a_failure_lead_to_its_link_of_the_chain() {
        for (words, name) in [
            ("unsuccessful tunnel: proxy authentication required", "proxy"),
            ("invalid peer certificate: UnknownIssuer", "tls"),
            ("tcp connect error: Connection refused (os error 111)", "network"),
        ] {
            assert_eq!(remedy(words).0, name, "{words}");
        }
    }

    #[tokio::test]
    async fn a_name_nobody_knows_is_told_before_anything_is_asked() {
        let place = Place { what: "Entra ID", url: "https://no-such-host.invalid/".to_owned() };
        let checks = check(&[place], &Network::default()).await;
        assert_eq!(checks.len(), 1, "{checks:?}");
        assert!(checks[0].name == "name_resolution" && checks[0].who.contains("network"), "{checks:?}");
    }

    #[tokio::test]
    async fn a_proxy_is_named_without_its_password_and_blamed_when_it_is_gone() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let proxy = format!("http://out:hunter2@{free}").parse().unwrap();
        let network = Network { proxy: Some(proxy), ..Network::default() };
        let place = Place { what: "Entra ID", url: "https://login.test/".to_owned() };
        let checks = check(&[place], &network).await;
        let told = format!("{checks:?}");
        assert!(checks[0].found.contains(&free.to_string()) && !told.contains("hunter2"), "{told}");
        assert!(checks.last().unwrap().status == CheckStatus::Fail, "{told}");
    }
}
