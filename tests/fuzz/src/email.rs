use std::sync::LazyLock;

use domain::{CarId, Contact, EffectKind, Event, EventId, OfferChange, OfferId, OfferVersion, State};
use effects::mail::{Email, Letterhead, render};
use mail_parser::{MessageParser, MimeHeaders as _};

use crate::corpus::parts;

/// An independent parser of whole mails, which knows all headers.
static PARSER: LazyLock<MessageParser> = LazyLock::new(MessageParser::default);

/// The target `email`: an e-mail rendered from the parts of the input (name, address, offer and car), assembled as SES
/// does it, and read by an independent parser.
///
/// Properties: the mail has exactly our headers with our values, and its two parts are as rendered. The HTML contains
/// exactly the tags of the template, and every line except the greeting is the same as for a harmless name.
pub(crate) fn email(bytes: &[u8]) {
    let mut given = parts(bytes);
    let mut next = || given.next().unwrap_or_default();
    let (name, address, offer, car) = (next(), next(), next(), next());
    let offer = OfferId::parse(&offer).or_else(|_| OfferId::parse("offer-1")).unwrap();
    let car = CarId::parse(&car).or_else(|_| CarId::parse("car-1")).unwrap();
    let accepted_at = OfferVersion::FIRST.next();
    for kind in [
        EffectKind::AcceptedEmail { offer: offer.clone(), accepted_at },
        EffectKind::QuoteInvitation { offer: offer.clone() },
    ] {
        let mail = |name: &str, email: &str| {
            let contact = Contact { name: name.to_owned(), email: email.to_owned(), phone: None };
            let change = OfferChange::Made { car: car.clone(), contact: Some(contact) };
            let id = EventId::parse("1").unwrap();
            let event = Event { offer: offer.clone(), version: OfferVersion::FIRST, change, id, time: None };
            let mut state = State::default();
            state.fold(&event.into());
            let site = "Cars & Co".to_owned();
            render(&kind, &state, &Letterhead { site, site_url: "https://cars.example".to_owned() })
        };
        let harmless = "nobody@example.com";
        let plain = mail("Nobody", harmless).unwrap().unwrap();
        let hostile = match mail(&name, &address) {
            Ok(Some(mail)) => mail,
            Ok(None) | Err(_) => mail(&name, harmless).unwrap().unwrap(),
        };
        assert!(hostile.to.is_ascii() && hostile.to.len() <= 254, "{}", hostile.to);
        assert_parses_as_rendered(&hostile);
        assert_differs_in_the_greeting_only(&hostile, &plain);
    }
}

/// The text of the whole mail. No part is encoded, so that no line or header is hidden from the parser.
fn as_sent(email: &Email) -> String {
    // A boundary must not occur in any of the parts.
    let mut boundary = "=_leadstream".to_owned();
    while email.text.contains(&boundary) || email.html.contains(&boundary) {
        boundary.push('_');
    }
    let part = |kind: &str, body: &str| {
        let body = body.replace('\n', "\r\n");
        format!(
            "--{boundary}\r\nContent-Type: text/{kind}; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}\r\n"
        )
    };
    format!(
        "From: Cars <noreply@cars.example>\r\nTo: {}\r\nSubject: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n{}{}--{boundary}--\r\n",
        email.to,
        email.subject,
        part("plain", &email.text),
        part("html", &email.html)
    )
}

fn assert_parses_as_rendered(email: &Email) {
    let raw = as_sent(email);
    let mail = PARSER.parse(raw.as_bytes()).unwrap();
    let names: Vec<&str> = mail.headers().iter().map(mail_parser::Header::name).collect();
    assert_eq!(names, ["From", "To", "Subject", "MIME-Version", "Content-Type"], "{raw}");
    let to = mail.to().and_then(|to| to.as_list()).unwrap();
    let [to] = to else { panic!("{raw}") };
    assert_eq!((to.name(), to.address()), (None, Some(email.to.as_str())), "{raw}");
    assert_eq!(mail.subject(), Some(email.subject));
    assert_eq!(
        mail.from().and_then(|from| from.first()).and_then(|from| from.address()),
        Some("noreply@cars.example")
    );

    assert_eq!(
        (mail.parts.len(), mail.text_body_count(), mail.html_body_count(), mail.attachment_count()),
        (3, 1, 1, 0)
    );
    let crlf = |text: &str| text.replace('\n', "\r\n");
    assert_eq!(mail.body_text(0).unwrap(), crlf(&email.text));
    assert_eq!(mail.body_html(0).unwrap(), crlf(&email.html));
    for part in &mail.parts[1..] {
        assert_eq!(part.headers().len(), 2, "{raw}");
        assert_eq!(part.content_type().map(mail_parser::ContentType::ctype), Some("text"));
    }
}

fn assert_differs_in_the_greeting_only(hostile: &Email, plain: &Email) {
    for (hostile, plain) in [(&hostile.text, &plain.text), (&hostile.html, &plain.html)] {
        let is_greeting = |line: &str| line.starts_with("Hello ") || line.contains(">Hello ");
        let (hostile, plain): (Vec<&str>, Vec<&str>) =
            (hostile.split('\n').collect(), plain.split('\n').collect());
        assert_eq!(hostile.len(), plain.len(), "{hostile:?}");
        for (hostile, plain) in hostile.iter().zip(plain) {
            assert!(*hostile == plain || is_greeting(hostile) && is_greeting(plain), "{hostile:?}");
            assert!(!hostile.chars().any(char::is_control), "{hostile:?}");
        }
    }
    assert_eq!(tags(&hostile.html), tags(&plain.html));
}

/// The tags of an HTML text as a browser sees them: everything from a `<` to the next `>`.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|from| from.split_once('>').unwrap().0).collect()
}
