//! The functions of OTTL that read and write texts and times.

use super::{LOGS, Pair, TRACES, run::check};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "transform: functions that take texts apart and put them together",
        LOGS,
        r#"
transform:
  error_mode: ignore
  log_statements:
    - context: log
      statements:
        - set(attributes["pattern"], ExtractPatterns(body, "(?P<first>\\w+) (?P<second>\\w+)|(?P<third>\\d+)")) where IsString(body)
        - set(attributes["pattern.none"], ExtractPatterns("abc", "(?P<digit>\\d)"))
        - set(attributes["pattern.one"], ExtractPatterns("GET /orders", "^(?P<verb>[A-Z]+) (?P<path>\\S+)(?P<rest> .*)?$")["verb"])
        - merge_maps(attributes, ExtractPatterns("a-b", "(?P<merged_a>.)-(?P<merged_b>.)"), "upsert")
        - set(attributes["kv"], ParseKeyValue("method=GET  status=\"not found\" user='ann b' a=b=c e= dup=1 dup=2"))
        - set(attributes["kv.escaped"], ParseKeyValue("a=\"say \\\"hi\\\"\" b=\\'x"))
        - set(attributes["kv.delimiters"], ParseKeyValue("a::1;; b ::2 ;;;;c::'x;;y'", "::", ";;"))
        - set(attributes["kv.named"], ParseKeyValue("a:1,b:2", pair_delimiter=",", delimiter=":"))
        - set(attributes["kv.blank"], ParseKeyValue("   "))
        - set(attributes["kv.empty"], ParseKeyValue(""))
        - set(attributes["kv.broken"], ParseKeyValue("a=1 b"))
        - set(attributes["kv.open"], ParseKeyValue("a=\"1 b=2"))
        - set(attributes["kv.number"], ParseKeyValue(attributes["retries"]))
        - set(attributes["string"], ToKeyValueString(attributes["nested"], sort_output=true)) where IsMap(attributes["nested"])
        - set(attributes["string.body"], ToKeyValueString(body, "=>", "\n", true)) where IsMap(body)
        - 'set(attributes["string.quoted"], ToKeyValueString({"a b": "1=2", "q": "say \"hi\"", "n": nil, "d": 1.5, "l": [1, "x"]}, sort_output=true))'
        - set(attributes["string.text"], ToKeyValueString(body)) where IsString(body)
        - set(attributes["hex.text"], Hex("Grüße"))
        - set(attributes["hex.int"], Hex(255))
        - set(attributes["hex.double"], Hex(1.5))
        - set(attributes["hex.bool"], Hex(true))
        - set(attributes["hex.bytes"], Hex(attributes["raw"])) where attributes["raw"] != nil
        - set(attributes["hex.nil"], Hex(attributes["not.there"]))
        - set(attributes["hex.map"], Hex(attributes["nested"])) where IsMap(attributes["nested"])
        - set(attributes["encode"], Base64Encode("a?>b"))
        - set(attributes["encode.raw"], Base64Encode("a?>b", "base64-raw"))
        - set(attributes["encode.url"], Base64Encode("a?>b", "base64-url"))
        - set(attributes["encode.raw.url"], Base64Encode("a?>b", "base64-raw-url"))
        - set(attributes["decode"], Base64Decode("YT8+Yg=="))
        - set(attributes["decode.lines"], Base64Decode("YT8+\r\nYg=="))
        - set(attributes["decode.bits"], Base64Decode("YT8+Yh=="))
        - set(attributes["decode.unpadded"], Base64Decode("YT8+Yg"))
        - set(attributes["decode.twice"], Base64Decode("YQ==YQ=="))
        - set(attributes["decode.url"], Decode("YT8-Yg==", "base64-url"))
        - set(attributes["decode.raw"], Decode("YT8+Yg", "base64-raw"))
        - set(attributes["decode.raw.url"], Decode("YT8-Yg", "base64-raw-url"))
        - set(attributes["decode.raw.padded"], Decode("YT8+Yg==", "base64-raw"))
        - set(attributes["decode.text"], Decode(attributes["raw"], "UTF-8")) where attributes["raw"] != nil
        - set(attributes["decode.ascii"], Decode("Grüße", "us-ascii"))
        - set(attributes["decode.int"], Decode(12, "base64"))
        - set(attributes["decode.nil"], Decode(attributes["not.there"], "base64"))
        - set(attributes["snake"], ToSnakeCase("HTTPStatusCode v2.some-Name"))
        - set(attributes["camel"], ToCamelCase("http.status-code v2_some Name"))
        - set(attributes["camel.id"], ConvertCase("ID", "camel"))
        - set(attributes["snake.converted"], ConvertCase("orderId42Paid", "snake"))
        - set(attributes["snake.empty"], ToSnakeCase(""))
        - set(attributes["after"], "still")"#,
    ),
    Pair::new(
        "transform: digests, numbers, lists and networks",
        TRACES,
        r#"
transform:
  error_mode: ignore
  trace_statements:
    - context: span
      statements:
        - set(attributes["md5"], MD5(name))
        - set(attributes["sha1"], SHA1(name))
        - set(attributes["sha512"], SHA512(name))
        - set(attributes["fnv"], FNV(name))
        - set(attributes["fnv.empty"], FNV(""))
        - set(attributes["md5.int"], MD5(attributes["retries"]))
        - set(attributes["md5.nil"], MD5(attributes["not.there"]))
        - replace_pattern(attributes["url.full"], "token=([^&]*)", "$$1", MD5)
        - replace_pattern(attributes["http.route"], "/(\\w+)", "$$1", SHA1, "/%s")
        - replace_match(attributes["user.id"], "u-*", "user", SHA512)
        - set(attributes["int"], ParseInt("-7f", 16))
        - set(attributes["int.prefix"], ParseInt("0x7f", 0))
        - set(attributes["int.octal"], ParseInt("-017", 0))
        - set(attributes["int.zero"], ParseInt("0", 0))
        - set(attributes["int.plus"], ParseInt("+12", 10))
        - set(attributes["int.base36"], ParseInt("Zz", 36))
        - set(attributes["int.large"], ParseInt("9223372036854775808", 10))
        - set(attributes["int.wrong"], ParseInt("12a", 10))
        - set(attributes["int.empty"], ParseInt("", 10))
        - set(attributes["int.base"], ParseInt("1", 37))
        - set(attributes["int.base1"], ParseInt("1", 1))
        - set(attributes["int.negative"], ParseInt("1", -1))
        - set(attributes["sort"], Sort([3, 1, 2]))
        - set(attributes["sort.desc"], Sort([3, 1, 2], "desc"))
        - set(attributes["sort.mixed"], Sort([2.5, 1, 2]))
        - set(attributes["sort.texts"], Sort(["b", 10, true, 9, 1.5]))
        - set(attributes["sort.split"], Sort(Split("c,a,b", ","), "desc"))
        - set(attributes["sort.bools"], Sort([true, false, true]))
        - set(attributes["sort.tags"], Sort(attributes["tags"])) where IsList(attributes["tags"])
        - set(attributes["sort.text"], Sort(attributes["http.route"]))
        - set(attributes["sort.nil"], Sort(attributes["not.there"]))
        - set(attributes["values"], Values(attributes["nested"])) where IsMap(attributes["nested"])
        - set(attributes["values.text"], Values(attributes["http.route"]))
        - set(attributes["coalesce"], Coalesce([attributes["not.there"], attributes["load"], name]))
        - set(attributes["coalesce.none"], Coalesce([attributes["not.there"], attributes["nowhere"]]))
        - set(attributes["in"], IsInCIDR("10.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"]))
        - set(attributes["out"], IsInCIDR("11.1.2.3", ["192.168.0.0/16", "10.0.0.0/8"]))
        - set(attributes["in.six"], IsInCIDR("2001:db8::1", ["2001:db8::/32"]))
        - set(attributes["in.mapped"], IsInCIDR("::ffff:10.1.2.3", ["10.0.0.0/8"]))
        - set(attributes["in.all"], IsInCIDR("::1", ["::/0"]))
        - set(attributes["in.all.four"], IsInCIDR("1.2.3.4", ["::/0", "0.0.0.0/0"]))
        - set(attributes["in.none"], IsInCIDR("not an address", ["0.0.0.0/0"]))
        - set(attributes["in.nil"], IsInCIDR(attributes["not.there"], ["0.0.0.0/0"]))
        - set(attributes["after"], "still")"#,
    ),
    Pair::new(
        "transform: times are read, written and taken apart",
        TRACES,
        r#"
transform:
  error_mode: ignore
  trace_statements:
    - context: span
      statements:
        - set(attributes["year"], Year(start_time))
        - set(attributes["month"], Month(start_time))
        - set(attributes["day"], Day(start_time))
        - set(attributes["weekday"], Weekday(start_time))
        - set(attributes["hour"], Hour(start_time))
        - set(attributes["minute"], Minute(start_time))
        - set(attributes["second"], Second(end_time))
        - set(attributes["nanosecond"], Nanosecond(end_time))
        - set(attributes["day.nil"], Day(attributes["not.there"]))
        - set(attributes["format.date"], FormatTime(start_time, "%Y-%m-%dT%H:%M:%S.%LZ"))
        - set(attributes["format.all"], FormatTime(end_time, "%y|%o|%q|%b|%h|%B|%d|%e|%g|%a|%A|%H|%l|%I|%p|%P|%M|%S|.%L|,%f|.%s|%Z|%z|%w|%i|%j|%k|%D|%x|%F|%T|%X|%r|%R|%n|%t|%%|%c"))
        - set(attributes["format.words"], FormatTime(end_time, "Month Monday Mon Jan January MST PM pm Janitor Ünïcode %"))
        - set(attributes["format.zeros"], FormatTime(Time("2024-02-29 00:00:00.120300", "%Y-%m-%d %H:%M:%S.%f"), "%S.%L %S.%f %S,%s"))
        - set(attributes["format.none"], FormatTime(Time("2024-02-29", "%F"), "%S.%L"))
        - set(attributes["format.noon"], FormatTime(Time("2024-02-29 12:05", "%F %R"), "%I %l %p %r"))
        - set(attributes["format.midnight"], FormatTime(Time("2024-02-29 00:05", "%F %R"), "%I %l %p %r"))
        - set(attributes["format.berlin"], FormatTime(Time("2024-07-01 12:00", "%F %R", "Europe/Berlin"), "%c %Z %z %j"))
        - set(attributes["format.fixed"], FormatTime(Time("2024-07-01 12:00 +0530", "%F %R %z"), "%c %Z %z %k"))
        - set(attributes["format.west"], FormatTime(Time("2024-07-01 12:00 -03:30", "%F %R %j"), "%c %Z %z %w %i"))
        - set(attributes["hour.fixed"], Hour(Time("2024-07-01 12:00 +0530", "%F %R %z")))
        - set(attributes["hour.berlin"], Hour(Time("2024-07-01 12:00 +0200", "%F %R %z", "Europe/Berlin") + Duration("6h")))
        - set(attributes["read.padded"], UnixNano(Time("  2023-  5-06", "%Y-%m-%d")))
        - set(attributes["read.short"], UnixNano(Time("2023-5-6 7:8:9", "%Y-%m-%d %H:%M:%S")))
        - set(attributes["read.joined"], UnixNano(Time("20230506070809", "%Y%m%d%H%M%S")))
        - set(attributes["read.seventy"], UnixNano(Time("70-01-02", "%y-%m-%d")))
        - set(attributes["read.fraction"], UnixNano(Time("2023-05-06 07:08:09.123456789123", "%Y-%m-%d %H:%M:%S")))
        - set(attributes["read.millis"], UnixNano(Time("2023-05-06 07:08:09,5", "%Y-%m-%d %H:%M:%S,%L")))
        - set(attributes["read.no.millis"], UnixNano(Time("2023-05-06 07:08:09", "%Y-%m-%d %H:%M:%S.%L")))
        - set(attributes["read.zulu"], UnixNano(Time("2023-05-06T07:08:09Z", "%Y-%m-%dT%H:%M:%S%z")))
        - set(attributes["read.literal"], UnixNano(Time("2023-05-06T07:08:09Z", "%Y-%m-%dT%H:%M:%SZ")))
        - set(attributes["read.hours"], UnixNano(Time("2023-05-06T07:08:09-07", "%Y-%m-%dT%H:%M:%S%z")))
        - set(attributes["read.colon"], UnixNano(Time("2023-05-06T07:08:09.25+05:45", "%Y-%m-%dT%H:%M:%S.%f%z")))
        - set(attributes["read.seconds"], UnixNano(Time("2023-05-06 +053015", "%F %w")))
        - set(attributes["read.names"], UnixNano(Time("fri MAY 05 2023 1:02:03 PM", "%a %b %d %Y %I:%M:%S %p")))
        - set(attributes["read.long"], UnixNano(Time("Friday, May 5, 2023 at 12am", "%A, %B %e, %Y at %l%P")))
        - set(attributes["read.slashes"], UnixNano(Time("5/6/2023", "%D")))
        - set(attributes["read.short.slashes"], UnixNano(Time("05/06/23 10:11", "%D %R")))
        - set(attributes["read.c"], UnixNano(Time("Fri May  5 01:02:03 2023", "%c")))
        - set(attributes["read.r"], UnixNano(Time("2023-05-05 11:02:03 pm", "%F %r")))
        - set(attributes["read.utc"], UnixNano(Time("2023-05-05 11:02 UTC", "%F %R %Z", "America/New_York")))
        - set(attributes["read.gmt"], UnixNano(Time("2023-05-05 11:02 GMT", "%F %R %Z")))
        - set(attributes["read.gmt.3"], FormatTime(Time("2023-05-05 11:02 GMT+3", "%F %R %Z"), "%c %Z %z"))
        - set(attributes["read.est"], UnixNano(Time("2023-05-05 11:02 EST", "%F %R %Z")))
        - set(attributes["read.cet"], UnixNano(Time("2023-01-05 11:02 CET", "%F %R %Z")))
        - set(attributes["read.pst"], UnixNano(Time("2023-05-05 11:02 PST", "%F %R %Z")))
        - set(attributes["read.edt"], FormatTime(Time("2023-05-05 11:02 EDT", "%F %R %Z", "America/New_York"), "%c %Z %z"))
        - set(attributes["read.winter.edt"], FormatTime(Time("2023-01-05 11:02 EDT", "%F %R %Z", "America/New_York"), "%c %Z %z"))
        - set(attributes["read.zone"], UnixNano(Time("2023-05-05 11:02", "%F %R", "Asia/Kathmandu")))
        - set(attributes["read.gap"], UnixNano(Time("2023-03-26 02:30", "%F %R", "Europe/Berlin")))
        - set(attributes["read.twice"], UnixNano(Time("2023-10-29 02:30", "%F %R", "Europe/Berlin")))
        - set(attributes["read.gap.west"], UnixNano(Time("2023-03-12 02:30", "%F %R", "America/New_York")))
        - set(attributes["read.twice.west"], UnixNano(Time("2023-11-05 01:30", "%F %R", "America/New_York")))
        - set(attributes["read.london"], FormatTime(Time("2023-01-05 11:02 +0000", "%F %R %z", "Europe/London"), "%Z %z"))
        - set(attributes["read.locale"], UnixNano(Time("May 5 2023", "%b %e %Y", "", "en-US")))
        - set(attributes["no.leap"], UnixNano(Time("2023-02-29", "%F")))
        - set(attributes["no.month"], UnixNano(Time("2023-13-01", "%F")))
        - set(attributes["no.day"], UnixNano(Time("2023-12-00", "%F")))
        - set(attributes["no.hour"], UnixNano(Time("2023-12-01 24:00", "%F %R")))
        - set(attributes["no.half"], UnixNano(Time("2023-12-01 1:00 Pm", "%F %I:%M %p")))
        - set(attributes["no.rest"], UnixNano(Time("2023-12-01 more", "%F")))
        - set(attributes["no.begin"], UnixNano(Time("on 2023-12-01", "%F")))
        - set(attributes["no.text"], UnixNano(Time("", "%F")))
        - set(attributes["no.number"], UnixNano(Time(attributes["retries"], "%F")))
        - set(attributes["truncated"], UnixNano(TruncateTime(end_time, Duration("1s"))))
        - set(attributes["truncated.week"], FormatTime(TruncateTime(end_time, Duration("168h")), "%c"))
        - set(attributes["truncated.none"], UnixNano(TruncateTime(end_time, Duration("0s"))))
        - set(attributes["truncated.zone"], FormatTime(TruncateTime(Time("2024-07-01 12:34 +0530", "%F %R %z"), Duration("1h")), "%c"))
        - set(end_time, Time("2031-05-06T07:08:09.5+05:45", "%Y-%m-%dT%H:%M:%S.%f%z")) where name == "poll"
        - set(attributes["compared"], "later") where start_time < Time("2040-01-01", "%F")
        - set(attributes["since"], Hours(start_time - Time("2020-01-01", "%F")))
        - set(attributes["after"], "still")"#,
    ),
];

#[test]
fn functions_return_alike() {
    check(PAIRS);
}
