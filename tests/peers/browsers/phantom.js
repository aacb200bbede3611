// Run by PhantomJS 1.9.8: opens the chat page, types as a user would, and reports, one check a line:
//   phantomjs phantom.js PAGE_URL NAME SCREENSHOT SECONDS SAY WHO=VERSION=TEXT...
// Enters as NAME; once everybody is in the room says SAY; then expects each WHO's TEXT with that version's badge.
/* global phantom */
var system = require('system'), webpage = require('webpage');
var args = system.args, url = args[1], name = args[2], screenshot = args[3], seconds = +args[4], say = args[5];
var others = args.slice(6).map(function (arg) {
  var parts = arg.split('=');
  return { who: parts[0], version: parts[1], text: parts[2] };
});
var page = webpage.create(), failed = 0, scriptErrors = [];

function check(ok, what, detail) {
  if (!ok) failed++;
  console.log((ok ? 'ok   ' : 'FAIL ') + what + (ok || !detail ? '' : ': ' + detail));
}

function leave() {
  check(!scriptErrors.length, 'the page runs without script errors', scriptErrors.join('; '));
  page.render(screenshot);
  phantom.exit(failed ? 1 : 0);
}

// The page as its reader sees it.
function look() {
  return page.evaluate(function () {
    function text(node, selector) {
      var found = selector ? node.querySelector(selector) : node;
      return found ? found.textContent : '';
    }
    function all(selector, read) { return Array.prototype.map.call(document.querySelectorAll(selector), read); }
    return {
      entered: document.getElementById('door').hidden && document.getElementById('log').offsetHeight > 0,
      status: text(document.getElementById('status')),
      members: all('#members li', function (node) { return text(node); }),
      messages: all('#log .message', function (node) {
        return { who: text(node, '.who'), version: text(node, '.version'), text: text(node, '.text'),
          own: / own/.test(node.className) };
      })
    };
  });
}

// The version of today has no badge.
function badge(version) { return version === 'RFC 6455' ? '' : version; }

function said(who, version, text, own) {
  return look().messages.some(function (m) {
    return m.who === who && m.version === badge(version) && m.text === text && m.own === own;
  });
}

// Takes the steps in turn: [what is to become true, the condition, what to do then]. Looks again and again until
// the deadline; what has not come by then is a failure, and the end.
var deadline = Date.now() + seconds * 1000;
function take(steps) {
  if (!steps.length) { leave(); return; }
  if (steps[0][1]()) {
    check(true, steps[0][0]);
    if (steps[0][2]) steps[0][2]();
    take(steps.slice(1));
  } else if (Date.now() > deadline) {
    check(false, steps[0][0], JSON.stringify(look()));
    leave();
  } else {
    setTimeout(function () { take(steps); }, 50);
  }
}

function press(id) {
  var box = page.evaluate(function (id) {
    var r = document.getElementById(id).getBoundingClientRect();
    return { x: r.left + r.width / 2, y: r.top + r.height / 2 };
  }, id);
  page.sendEvent('click', box.x, box.y);
}

// Tall enough for the page without a grid: a click must be inside the viewport.
page.viewportSize = { width: 1024, height: 1600 };
page.onError = function (message) { scriptErrors.push(message); };
phantom.onError = function (message, trace) {
  check(false, 'the test runs', message + ' ' + JSON.stringify(trace));
  phantom.exit(1);
};

var version = phantom.version;
check(version.major === 1 && version.minor === 9 && version.patch === 8, 'this is PhantomJS 1.9.8', JSON.stringify(version));
page.open(url, function (status) {
  check(status === 'success', 'loads the page', status);
  if (failed) { leave(); return; }
  press('name');
  page.sendEvent('keypress', name);
  press('enter');
  take([
    ['enters the room', function () { return look().entered; }],
    ['is told that it speaks draft-76', function () { return /connected *draft-76/.test(look().status); }],
    ['lists all ' + (others.length + 1) + ' members with their versions', function () {
      var members = look().members;
      return members.length === others.length + 1 && members.indexOf(name + ' (you)draft-76') >= 0 &&
        others.every(function (o) { return members.indexOf(o.who + badge(o.version)) >= 0; });
    }, function () {
      press('text');
      page.sendEvent('keypress', say);
      page.sendEvent('keypress', page.event.key.Enter);
    }],
    ['sees its own message, marked as its own, with the badge draft-76', function () {
      return said(name, 'draft-76', say, true);
    }]
  ].concat(others.map(function (o) {
    return ['sees the message of ' + o.who + ' with the badge ' + o.version, function () {
      return said(o.who, o.version, o.text, false);
    }];
  })));
});
