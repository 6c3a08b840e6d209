# What a phone says to who logs in: login.sh takes|echoes|denies|forbids|unknown FILE. What it hears goes to the file.
does=$1 heard=$2
case $does in
echoes) stty echo ;;
*) stty -echo ;;
esac
printf '\nCisco Systems, Inc.\n\nPassword :'
read -r password
if [ "$does" = denies ] || [ "$password" != cisco ]; then
  echo "the password $password" >"$heard"
  printf '\nPassword incorrect\n\nPassword :'
  read -r password
  exit
fi
printf '\n\nSIP Phone> '
read -r command
[ "$command" = reset ] && echo "$command" >"$heard"
case $does in
forbids) printf '\nThe command %s is not allowed\nSIP Phone> ' "$command" ;;
unknown) printf '\n%%Bad command\nSIP Phone> ' ;;
esac
[ "$does" = takes ] || [ "$does" = echoes ] || sleep 5
