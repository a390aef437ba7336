//! The ways to decide: a form for each. The no is as near as the yes.

use super::html::Html;
use crate::access::{Challenge, NAMESPACE};
use crate::engine::proposals::Shown;
use crate::sms::message::hex;

/// What the forms of a page are made of.
pub(super) struct Forms {
    /// The token of the forms.
    pub(super) token: String,
    /// What is signed; nothing where there is no approver.
    pub(super) challenge: Option<Challenge>,
    /// Whether one-time codes count here.
    pub(super) takes_codes: bool,
}

/// The ways to decide.
pub(super) fn ways(shown: &Shown, forms: &Forms) -> Html {
    let mut html = Html::default();
    html.raw("<h2>Decide</h2><div class=\"ways\">");
    if forms.takes_codes && forms.challenge.is_some() {
        begin(&mut html, shown, forms);
        html.raw(CODE_FIELDS);
    }
    begin(&mut html, shown, forms);
    html.raw(REFUSE_FIELDS);
    match &forms.challenge {
        None => drop(html.raw(NOBODY)),
        Some(challenge) => {
            html.raw("</div><div class=\"ways\">");
            begin(&mut html, shown, forms);
            signing(&mut html, challenge, forms.takes_codes);
        }
    }
    html.raw("</div>");
    html
}

fn begin(html: &mut Html, shown: &Shown, forms: &Forms) {
    html.raw("<form method=\"post\" autocomplete=\"off\"><input type=\"hidden\" name=\"token\" value=\"");
    html.text(&forms.token).raw("\"><input type=\"hidden\" name=\"digest\" value=\"");
    html.text(&hex(&shown.digest)).raw("\">");
}

fn signing(html: &mut Html, challenge: &Challenge, takes_codes: bool) {
    let text = challenge.text();
    html.raw("<h3>Yes, with an SSH key</h3>");
    if !takes_codes {
        html.raw("<p>One-time codes do not count here: agents may run as the user of this server.</p>");
    }
    html.raw("<label for=\"command\">Run this whole in a terminal: it prints the signature</label>");
    html.raw("<textarea id=\"command\" rows=\"5\" readonly spellcheck=\"false\">")
        .text(&format!("ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519 <<'END'\n{text}END\n"));
    html.raw("</textarea>").raw(SIGNING).text(&text).raw("</textarea></details>").raw(SIGNATURE_FIELD);
}

const NOBODY: &str = "<div><h3>Yes</h3><p>There is no approver here, so nobody can say yes. Add one at a \
    terminal: <code>sms-mcp approver add NAME</code>.</p></div>";

const CODE_FIELDS: &str = "<h3>Yes, with a one-time code</h3>\
    <label for=\"code\">Code, six digits</label>\
    <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" maxlength=\"10\" required>\
    <label for=\"approver\">Approver (may be left out where one alone has codes)</label>\
    <input id=\"approver\" name=\"approver\" maxlength=\"64\" autocapitalize=\"none\" spellcheck=\"false\">\
    <button name=\"act\" value=\"code\">Approve with this code</button></form>";

const SIGNING: &str = "<details><summary>Or sign a file</summary><p>Save these lines as \
    <code>approval.txt</code>, and run \
    <code>ssh-keygen -Y sign -n sms-mcp@approval -f KEY approval.txt</code>. The signature is in \
    <code>approval.txt.sig</code> then.</p>\
    <label for=\"challenge\">What you sign</label><textarea id=\"challenge\" name=\"challenge\" rows=\"9\" readonly \
    spellcheck=\"false\">";

const SIGNATURE_FIELD: &str = "<label for=\"signature\">The signature (it holds for 15 minutes)</label>\
    <textarea id=\"signature\" name=\"signature\" rows=\"4\" spellcheck=\"false\" required></textarea>\
    <button name=\"act\" value=\"signature\">Approve with this signature</button></form>";

const REFUSE_FIELDS: &str = "<h3>No</h3>\
    <label for=\"why\">Reason, for the agent (may be left out)</label><input id=\"why\" name=\"why\" maxlength=\"500\">\
    <button class=\"no\" name=\"act\" value=\"refuse\">Refuse</button></form>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_the_namespace() {
        assert!(SIGNING.contains(&format!("-n {NAMESPACE} ")));
    }
}
