package routes
import ("testing";"os";"context";"golang.org/x/sys/unix";"encoding/hex")
func TestLabRecord(t *testing.T){
 ns:=newNamespace(t)
 ns.ip("link add v0 type veth peer name v1",
 "link add tun1 type gre local 192.0.2.1 remote 192.0.2.2 ikey 0 okey 7 ttl 64 tos 0x10 nopmtudisc",
 "link add tun2 type gre remote 192.0.2.3 ttl inherit tos inherit dev v0",
 "link add tun3 type gretap remote 192.0.2.4 csum seq ignore-df nopmtudisc",
 "link add tun4 type ip6gre local 2001:db8::1 remote 2001:db8::2 key 5 ttl 64 tclass 0x2a encaplimit 7 flowlabel 0xbcdef",
 "link add tun5 type ip6gretap remote 2001:db8::3 ttl 64 tclass inherit encaplimit none flowlabel inherit dscp inherit fwmark inherit",
 "link add tun6 type ip6gre remote 2001:db8::4 allow-localremote",
 "link add tun7 type gretap external",
 "link add tun8 type ip6gretap external",
 )
 s:=""
 ns.kernel.exchange(context.Background(), request{kind:unix.RTM_GETLINK,flags:unix.NLM_F_DUMP,reply:unix.RTM_NEWLINK,body:make([]byte,16)}, func(b []byte) error { l,_:=parseLink(b); s+=l.Name+"\t"+hex.EncodeToString(b)+"\n"; return nil})
 os.WriteFile("/out/links-gre.txt",[]byte(s),0644)
}
