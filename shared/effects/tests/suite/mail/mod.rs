//! The text of the e-mails, and that nothing a buyer typed can leave its field in them.

use domain::{Contact, EffectKind, Fact, OfferVersion, State};
use effects::mail::{Email, render};
use proptest::prelude::{Strategy, any, proptest};
use testkit::{contact, made, made_by, offer, withdrawn};

use crate::world::letterhead;

const ACCEPTED_HTML: &str = include_str!("offer-accepted.html").trim_ascii_end();
const ACCEPTED_TEXT: &str = "\
YOUR OFFER WAS ACCEPTED

Hello Ada Canary,

Good news: the seller has accepted your offer for car-1.

See your next steps:
https://cars.example/offers/car-1

A colleague from our insurance team will phone you soon, so that you can
be covered from your first drive. You are free to say no.

Enjoy the road,
your team at Cars & Co

--
You get this e-mail because you made an offer on Cars & Co.";

const INVITATION_HTML: &str = include_str!("quote-invitation.html").trim_ascii_end();
const INVITATION_TEXT: &str = "\
AN INSURANCE QUOTE FOR YOUR NEXT CAR

Hello Ada Canary,

Thank you for your offer for car-1. While the seller thinks about it,
you can see what insuring your next car would cost: free, and without
obligation.

Get your quote:
https://cars.example/insurance-quote

We ask only once, for all the offers you make.

Good luck with your offer,
your team at Cars & Co

--
You get this e-mail because you made an offer on Cars & Co.";

fn accepted(id: &str, name: &str) -> Email {
    let kind = EffectKind::AcceptedEmail { offer: offer(id), accepted_at: OfferVersion::FIRST.next() };
    rendered(&kind, id, name)
}

fn invitation(id: &str, name: &str) -> Email {
    rendered(&EffectKind::QuoteInvitation { offer: offer(id) }, id, name)
}

fn rendered(kind: &EffectKind, id: &str, name: &str) -> Email {
    let mut state = State::default();
    state.fold(&Fact::from(made_by(id, Contact { name: name.to_owned(), ..contact() })));
    render(kind, &state, &letterhead()).unwrap().unwrap()
}

/// Asserts that the e-mails equal their golden files except for the greeting, and that no character breaks a line or
/// changes the direction of text.
fn assert_stays_in_its_field(name: &str) {
    for (email, text, html) in [
        (accepted("car-1", name), ACCEPTED_TEXT, ACCEPTED_HTML),
        (invitation("car-1", name), INVITATION_TEXT, INVITATION_HTML),
    ] {
        assert_eq!(email.to, "ada.canary@example.com");
        for (part, golden) in [(&email.text, text), (&email.html, html)] {
            let is_greeting = |line: &&str| line.starts_with("Hello ") || line.contains(">Hello ");
            let lines: Vec<&str> = part.split('\n').collect();
            let golden: Vec<&str> = golden.split('\n').collect();
            assert_eq!(lines.len(), golden.len(), "{name:?}");
            for (line, golden) in lines.iter().zip(&golden) {
                assert!(line == golden || is_greeting(line) && is_greeting(golden), "{name:?}: {line:?}");
                assert!(!line.chars().any(breaks_or_redirects), "{name:?}: {line:?}");
            }
            assert_eq!(lines.iter().filter(|line| is_greeting(line)).count(), 1, "{name:?}");
        }
        assert_eq!(tags(&email.html), tags(html), "{name:?}");
        assert!(!email.html.contains("Hello <bdi></bdi>"), "{name:?}: the greeting has a name");
    }
}

fn breaks_or_redirects(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The tags of an HTML text as a browser finds them: everything from a `<` to the next `>`.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|from| from.split_once('>').unwrap().0).collect()
}

#[test]
fn an_invitation_mentions_a_pending_offer() {
    let kind = EffectKind::QuoteInvitation { offer: offer("car-2") };
    let mut state = State::default();
    for car in ["car-1", "car-2", "car-3"] {
        state.fold(&Fact::from(made(car)));
    }
    let mentions = |state: &State, car: &str| {
        let mail = render(&kind, state, &letterhead()).unwrap().unwrap();
        assert!(mail.text.contains(&format!("your offer for {car}.")), "{car}: {}", mail.text);
    };
    mentions(&state, "car-2");
    state.fold(&Fact::from(withdrawn("car-1").v(2)));
    state.fold(&Fact::from(withdrawn("car-2").v(2)));
    mentions(&state, "car-3");
}

#[test]
fn each_email_matches_its_golden_file() {
    let (accepted, invitation) = (accepted("car-1", "Ada Canary"), invitation("car-1", "Ada Canary"));
    assert_eq!(
        (accepted.subject, invitation.subject),
        ("Your offer was accepted", "An insurance quote for your next car")
    );
    assert_eq!(accepted.text, ACCEPTED_TEXT);
    assert_eq!(accepted.html, ACCEPTED_HTML);
    assert_eq!(invitation.text, INVITATION_TEXT);
    assert_eq!(invitation.html, INVITATION_HTML);
    for email in [accepted, invitation] {
        assert_eq!((email.to.as_str(), email.tags), ("ada.canary@example.com", vec![]));
    }
}

#[test]
fn a_hostile_name_stays_on_its_line_and_between_its_tags() {
    for name in [
        "Ada\r\nBcc: eve@example.com\r\n\r\nYou have won",
        "Ada\0\u{7}\u{1b}[31m\u{85}Eve",
        "\u{202e}nonaC adA\u{2066}\u{2069}\u{200f}\u{61c}",
        "Ada\u{2028}Eve\u{2029}Mallory",
        "</bdi></p><script>alert('&')</script><p onload=\"x\">",
        "\" onmouseover=\"x\" '",
        "<!-- ",
        "]]>",
        "&lt;b&gt; &amp; &#60;",
        "{{x}} {% raw %} {{{x}}} ${x} <%= x %>",
        "--=_boundary\r\nContent-Type: text/html",
        "",
        " \r\n\t\u{200f} ",
        "Ada\u{feff}\u{fffe}\u{ffff}\u{10ffff}",
        &"long ".repeat(2000),
    ] {
        assert_stays_in_its_field(name);
    }
}

#[test]
fn a_name_is_shown_as_typed_on_one_line() {
    for (name, text, html) in [
        ("Ada Canary", "Hello Ada Canary,", "Hello <bdi>Ada Canary</bdi>,"),
        ("<b>&\"'", "Hello <b>&\"',", "Hello <bdi>&#60;b&#62;&#38;&#34;&#39;</bdi>,"),
        ("{{x}} {% y %}", "Hello {{x}} {% y %},", "Hello <bdi>{{x}} {% y %}</bdi>,"),
        ("  Ada \r\n\t Canary\u{202e} ", "Hello Ada Canary,", "Hello <bdi>Ada Canary</bdi>,"),
        ("\r\n\u{200f}", "Hello there,", "Hello <bdi>there</bdi>,"),
        ("آدا\u{200c}بایرون", "Hello آدا\u{200c}بایرون,", "Hello <bdi>آدا\u{200c}بایرون</bdi>,"),
    ] {
        for email in [accepted("car-1", name), invitation("car-1", name)] {
            assert!(email.text.contains(&format!("\n{text}\n")), "{name:?}: {}", email.text);
            assert!(email.html.contains(html), "{name:?}: {}", email.html);
        }
    }
}

#[test]
fn an_unusual_offer_id_is_exactly_one_segment_of_the_link() {
    let email = accepted("a?b#c%2F&\"<x>'\\:@;~._-", "Ada");
    let link = "https://cars.example/offers/a%3Fb%23c%252F%26%22%3Cx%3E%27%5C%3A%40%3B~._-";
    assert_eq!(email.text.lines().filter(|line| *line == link).count(), 1, "{}", email.text);
    let links: Vec<&str> = tags(&email.html).into_iter().filter(|tag| tag.starts_with("a ")).collect();
    assert_eq!(links.len(), 2);
    for tag in links {
        assert!(tag.starts_with(&format!("a href=\"{link}\" style=")), "{tag}");
    }
    assert_eq!(tags(&email.html).len(), tags(ACCEPTED_HTML).len());
    // The car has the same unusual id as the offer.
    assert!(email.html.contains("<bdi>a?b#c%2F&#38;&#34;&#60;x&#62;&#39;\\:@;~._-</bdi>"), "{}", email.html);
}

proptest! {
    #[test]
    fn no_name_can_leave_its_field(name in any::<String>()) {
        assert_stays_in_its_field(&name);
    }

    #[test]
    fn no_name_made_of_template_and_mail_syntax_can_leave_its_field(name in hostile()) {
        assert_stays_in_its_field(&name);
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = proptest::sample::select(vec![
        "<", ">", "</bdi>", "<p>", "&", "&#60;", "\"", "'", "\r", "\n", "\r\n\r\n", "\0", "{{", "}}", "{%",
        "%}", "{#", "\u{202e}", "\u{2066}", "\u{2028}", "\u{61c}", "\u{85}", "<!--", "-->", "Hello ", "Ada",
        " ", "\t", "é",
    ]);
    proptest::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}
