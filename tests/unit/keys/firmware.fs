\ The words of a laptop's firmware that keys.fth uses, for gforth: tags in a list, and a battery.
\ They are made from the firmware's documentation, and know nothing of the script.
require string.fs
: "  [char] " parse  state @ if  postpone sliteral  else  save-mem  then  ; immediate
: h#  parse-name  base @ >r hex  s>number d>s  r> base !  state @ if  postpone literal  then  ; immediate
: $=  ( a$ b$ -- flag )  str=  ;
: $find  ( name$ -- xt true | name$ false )  2dup find-name dup if  name>int nip nip true  else  drop false  then  ;
: -null  ( a$ -- b$ )  dup if  2dup + 1- c@ 0= if  1-  then  then  ;
variable battery  variable written
create tags 16 4 cells * allot  variable tag-count
: tag-at  ( n -- adr )  4 cells * tags +  ;
: tag!  ( value$ tag$ -- )  tag-count @ tag-at >r  r@ 2!  r> 2 cells + 2!  1 tag-count +!  ;
: find-tag  ( tag$ -- false | value$ true )
   tag-count @ 0 ?do  2dup i tag-at 2@ str= if  2drop i tag-at 2 cells + 2@ true unloop exit  then  loop  2drop false  ;
: bat-status@  battery @  ;
: add-tag-from-file  ( "tag" "file" -- )
   parse-name save-mem  2dup find-tag abort" Tag already exists"
   parse-name save-mem  2swap  ." added " 2dup type ."  from " 2over type cr  tag!  ;
: .mfg-data  ." tags:" tag-count @ 0 ?do  space i tag-at 2@ type  loop  cr  ;
