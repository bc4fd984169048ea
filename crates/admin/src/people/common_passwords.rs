//! Passwords that are guessed first.
//!
//! What is guessed first is a common word, a keyboard run, the name or the product, alone or strung together, with a few
//! digits and signs around it. So the list holds the words, and a password that is nothing but them is common.

/// More than this many letters and digits that are in no listed word, and it is somebody's own.
const OWN_MIN_CHARS: usize = 5;

/// Words that published lists of passwords are made of, those inside longer ones too, in small letters.
const WORDS: &str = "\
password passwort passwd passw0rd p@ssw0rd p@ssword pa55word motdepasse contrasena contraseña senha parola wachtwoord \
geheim secret secrets topsecret letmein welcome willkommen bienvenue bienvenido benvenuto changeme changeit change \
default admin administrator administrador administrateur root toor superuser user username guest test tester testing \
temp temporary login logon signin access master server service system sysadmin support helpdesk office company \
postern mail mailer email smtp gateway relay postmaster noreply microsoft windows outlook exchange azure entra graph \
google gmail yahoo hotmail facebook twitter youtube linkedin amazon apple iphone android samsung nokia linux ubuntu \
debian oracle mysql postgres database docker cisco router network internet computer laptop desktop keyboard \
qwertyuiop qwertzuiop azertyuiop asdfghjkl asdfghjklö zxcvbnm yxcvbnm qwerty qwertz azerty asdfgh asdf zxcv zxcvbn \
qazwsxedc qazwsx wsxedc 1qaz2wsx3edc 1qaz2wsx 1q2w3e4r5t6y 1q2w3e4r5t 1q2w3e4r 1q2w3e q1w2e3r4t5 q1w2e3r4 q1w2e3 zaq12wsx \
!qaz@wsx abcdefghijklmnopqrstuvwxyz abcdefghijkl abcdefgh abcdef abcd1234 abc123 abcd abc \
123456789012 1234567890 123456789 12345678 1234567 123456 12345 1234 987654321 87654321 7654321 654321 54321 4321 0123456789 \
01234567 147258369 159357 123qwe 123abc 12qwaszx 112233 121212 123123 123321 111111 000000 666666 696969 777777 888888 \
iloveyou iloveu loveyou lovely love loveme babygirl babyboy baby sweetheart sweety sweet angel angels princess prince \
queen king princesa teamo tequiero amor mylove forever friends friend family mother father mommy daddy sister brother \
sunshine sunflower flower flowers rainbow butterfly summer winter spring autumn sommer herbst januar january february \
march april june july august september october november december monday tuesday wednesday thursday friday saturday \
sunday montag freitag morning midnight monkey dragon tiger lion eagle falcon hunter horse dolphin panther cowboy \
kitten kitty puppy doggy chicken banana orange apple cherry strawberry chocolate cookie coffee cheese pepper ginger \
football baseball basketball soccer hockey tennis golf rugby cricket fussball futbol liverpool chelsea arsenal \
manchester barcelona realmadrid juventus bayern schalke dortmund steelers yankees lakers cowboys eagles packers \
superman batman spiderman ironman starwars startrek pokemon pikachu naruto matrix hello hallo bonjour hola ciao \
helloworld whatever nothing something anything trustno1 trustme freedom liberty america england london paris berlin \
deutschland germany france espana italia brasil canada australia mexico india china japan jesus jesuschrist christ \
god heaven blessed faith michael jordan jessica jennifer ashley daniel david thomas robert william charlie george \
andrew anthony joshua matthew nicole amanda michelle maria anna peter alexander stefan martin sandra sabine harley \
mustang ferrari porsche mercedes corvette camaro yamaha ninja killer shadow ghost phantom wizard merlin gandalf \
phoenix thunder lightning diamond silver golden purple yellow green black white orange power money maggie buster \
bailey ranger gamer player winner champion number one two three four five six seven eight nine zero";

/// Whether it is nothing but what is guessed first. `user` is the name of whose password it would be.
pub(super) fn is_common(password: &str, user: &str) -> bool {
    let mut rest = password.to_lowercase();
    if distinct(&rest) < OWN_MIN_CHARS {
        return true;
    }
    let name = user.to_lowercase();
    // Of an address, the part before the @ is a name too.
    let local = name.split('@').next().unwrap_or_default();
    let mut words: Vec<&str> = WORDS.split_whitespace().chain([name.as_str(), local]).collect();
    words.retain(|word| word.chars().count() > 2);
    // The longest first: "pass" must not be taken out of "password".
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut found = false;
    for word in words {
        if rest.contains(word) {
            found = true;
            rest = rest.replace(word, " ");
        }
    }
    let own = rest.chars().filter(|c| c.is_alphabetic()).count();
    let digits = rest.chars().filter(|c| c.is_numeric()).count();
    // A year or a date after a word is not one's own; six or more further digits are.
    found && own < OWN_MIN_CHARS && digits <= 6
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::HashSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_words_with_something_around_them_are_common() {
        for (password, common) in [
            ("password1234", true),
            ("PassWord!!2026", true),
            ("passwordpassword", true),
            ("Welcome2Postern!", true), // the product's own name
            ("Summer-2026-!", true),
            ("qwertyuiop12", true),
            ("123456789012", true),
            ("aaaaaaaaaaaab", true), // few different characters
            ("121212121212", true),
            ("anna.berger1", true), // the user's name
            ("Anna.Berger@contoso.test", true),
            ("correct horse battery staple", false), // has a listed word, and more
            ("839204719382", false),                 // digits, but no run
            ("zebra lamp quiet", false),
            ("k7wq-x2mp-r9tz-4hvd", false),
        ] {
            assert_eq!(is_common(password, "anna.berger@contoso.test"), common, "{password}");
        }
    }
}
